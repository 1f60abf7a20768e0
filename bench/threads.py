"""Two threads against one where cores are scarce: `python bench/threads.py`.

Times one row many times over, a large forward pass and an epoch with all threads and with one, in
turns, alone and beside busy processes (as many as there are cores), pinned to a single core, and
from four Python threads at once. Printed is the time with all threads over that with one: above 1.1
would be a fault.
"""

import argparse
import os
import subprocess
import sys
import threading
import time

import numpy as np

import featherweight as fw

ROUNDS = 30


def pairs(threads):
    """Yield (name, f with all threads, f with one)."""
    rng = np.random.default_rng(0)
    x = rng.random((2048, 784), np.float32)
    y = rng.integers(0, 10, len(x))
    for name, sizes in (
        ("784-512-512-10", [784, 512, 512, 10]),
        ("784-16-16-10", [784, 16, 16, 10]),
    ):
        nets = [fw.Network(sizes, rng=0, threads=n) for n in (threads, 1)]
        yield f"one row, {name}", *[lambda net=net: rows(net, x[0]) for net in nets]
        yield f"forward, {name}", *[lambda net=net: net(x) for net in nets]
        yield (
            f"epoch, {name}",
            *[lambda net=net: net.fit(x, y, batch_size=128, progress=False) for net in nets],
        )


def rows(net, x):
    for _ in range(300):
        net(x)


def from_python_threads(f, n=4):
    """Call from several Python threads at once."""

    def call():
        others = [threading.Thread(target=f) for _ in range(n)]
        for t in others:
            t.start()
        for t in others:
            t.join()

    return call


def ratio(many, one):
    """Return the ratio of total times, the two in turns: with rivals about, no minimum is fair."""
    spent = [0.0, 0.0]
    many(), one()
    for _ in range(ROUNDS):
        for i, f in enumerate((many, one)):
            start = time.perf_counter()
            f()
            spent[i] += time.perf_counter() - start
    return spent[0] / spent[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=fw.get_num_threads())
    parser.add_argument("--pinned", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    threads, cores = options.threads, os.sched_getaffinity(0)

    def report(what, wrap=None):
        for name, many, one in pairs(threads):
            if wrap and name.startswith("epoch"):
                continue  # a network is trained by one thread at a time
            if wrap:
                many, one = wrap(many), wrap(one)
            print(f"{what:<28}{name:<26}{ratio(many, one):6.2f}", flush=True)

    if options.pinned:
        report("pinned to one core")
        return
    print(f"{threads} threads on {len(cores)} cores; time over one thread's", flush=True)
    report("alone")
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in cores]
    try:
        report(f"beside {len(busy)} busy processes")
    finally:
        for p in busy:
            p.kill()
            p.wait()
    report("four Python threads at once", from_python_threads)
    # in a process of its own: threads that exist already would keep their cores
    os.sched_setaffinity(0, {min(cores)})
    subprocess.run([sys.executable, __file__, "--pinned", "--threads", str(threads)], check=True)


if __name__ == "__main__":
    main()

"""Two threads against one where cores are scarce: `python bench/threads.py`.

Times one row many times over, a large forward pass and epochs with all threads and with one, in
turns, alone and beside busy processes (as many as there are cores), from four Python threads at
once, pinned to a single core, and, where control groups can be made, in one whose quota is a CPU or
0.4 of one (where one thread is the default, and all are asked for). Printed is the time with all
threads over that with one: above 1.1 would be a fault.
"""

import argparse
import os
import subprocess
import sys
import threading
import time

import numpy as np

import featherweight as fw
import quotas

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
        for batch in (128, 32) if sizes[1] > 100 else (128,):
            yield f"epoch, {name}, {batch}", *[epochs(net, x, y, batch) for net in nets]


def epochs(net, x, y, batch):
    return lambda: net.fit(x, y, batch_size=batch, progress=False)


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


def ratio(many, one, rounds, turn):
    """Return the ratio of mean times, the two in turns: with rivals about, no minimum is fair.

    Each turn takes `turn` seconds at least.
    """
    spent, calls = [0.0, 0.0], [0, 0]
    many(), one()
    for _ in range(rounds):
        for i, f in enumerate((many, one)):
            start = now = time.perf_counter()
            while now == start or now < start + turn:
                f()
                calls[i] += 1
                now = time.perf_counter()
            spent[i] += now - start
    return spent[0] / calls[0] / (spent[1] / calls[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=fw.get_num_threads())
    parser.add_argument("--within", help=argparse.SUPPRESS)  # what this process was put in
    options = parser.parse_args()
    threads, cores = options.threads, os.sched_getaffinity(0)

    def report(what, wrap=None, rounds=ROUNDS, turn=0.0):
        for name, many, one in pairs(threads):
            if wrap and name.startswith("epoch"):
                continue  # a network is trained by one thread at a time
            if wrap:
                many, one = wrap(many), wrap(one)
            print(f"{what:<28}{name:<26}{ratio(many, one, rounds, turn):6.2f}", flush=True)

    if options.within:
        print(f"{options.within}: {fw.get_num_threads()} by default", flush=True)
        # a group that has used its quota up rests for most of 0.1 s, in either's turn
        limited = {"rounds": ROUNDS // 3, "turn": 0.25} if "quota" in options.within else {}
        report(options.within, **limited)
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
    # in processes of their own: threads that exist already would keep their cores
    again = [sys.executable, __file__, "--threads", str(threads), "--within"]
    for cpus in (1, 0.4):
        name = f"quota of {cpus} CPU"
        try:
            with quotas.group(cpus) as group:
                subprocess.run(quotas.inside(group, [*again, name]), check=True)
        except OSError as error:
            print(f"{name}: no control group can be made here: {error}", flush=True)
    os.sched_setaffinity(0, {min(cores)})
    subprocess.run([*again, "pinned to one core"], check=True)


if __name__ == "__main__":
    main()

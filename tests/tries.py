"""Many tries of a fuzz, by number, in processes of their own: a crash is a fault like any other."""

import argparse
import collections
import os
import re
import selectors
import subprocess
import sys
import tempfile
import time
import traceback
import warnings

LIMIT_S = 120  # for one try, however busy the machine


def work(one, seed, first, tries):
    """Make tries and write a line for each, in a process begun for it."""
    sys.setswitchinterval(1e-5)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, first + tries):
            try:
                how = one(seed, number, folder)
            except Exception as e:
                at = traceback.extract_tb(e.__traceback__)[-1]
                how = f"FAULT {type(e).__name__}, {os.path.basename(at.filename)}:{at.lineno}: "
                how += " ".join(str(e).split())
            print(number, how, flush=True)


class Worker:
    """A process that makes some of the tries, begun anew after each that it doesn't survive."""

    def __init__(self, script, seed, first, tries):
        self.script, self.seed, self.next, self.end = script, seed, first, first + tries
        self.start()

    def start(self):
        self.errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        numbers = map(str, (self.seed, self.next, self.end - self.next))
        self.process = subprocess.Popen(
            [sys.executable, self.script, "--work", *numbers],
            stdout=subprocess.PIPE, stderr=self.errors, text=True,
        )  # fmt: skip
        self.since = time.monotonic()

    def close(self):
        """Wait for its end; return its exit status, and the errors that it wrote."""
        code = self.process.wait()
        self.process.stdout.close()
        self.errors.seek(0)
        with self.errors:
            return code, self.errors.read()

    def died(self, hung):
        """Return how the try in hand ended, and go on with the next."""
        if hung:
            self.process.kill()
        code, said = self.close()
        # of a sanitizer: what, and in which line
        at = re.findall(r"SUMMARY: \w+: (\S+ \S+)|(\S+: runtime error: \D*)", said)
        where = "".join(at[0]) if at else "; ".join(said.strip().splitlines()[-1:])
        number, self.next = self.next, self.next + 1
        if self.next < self.end:
            self.start()
        return number, f"FAULT hung {LIMIT_S} s" if hung else f"FAULT crash {code} {where}"


def run(script, seed, tries, jobs, tell=lambda line: None):
    """Make the tries in so many processes; return the numbers of each outcome's tries."""
    found = collections.defaultdict(list)
    share = -(-tries // jobs)
    workers = [Worker(script, seed, i, min(share, tries - i)) for i in range(0, tries, share)]
    with selectors.DefaultSelector() as ready:
        for w in workers:
            ready.register(w.process.stdout, selectors.EVENT_READ, w)
        while ready.get_map():
            ended = [(key.data, False) for key, _ in ready.select(timeout=1)]
            for w, hung in ended or _late(ready):
                pipe = w.process.stdout
                line = "" if hung else pipe.readline()
                if line:
                    number, _, how = line.strip().partition(" ")
                    w.next, w.since = int(number) + 1, time.monotonic()
                elif w.next == w.end:
                    ready.unregister(pipe)
                    w.close()
                    continue
                else:
                    ready.unregister(pipe)
                    number, how = w.died(hung)
                    if w.next < w.end:
                        ready.register(w.process.stdout, selectors.EVENT_READ, w)
                found[how].append(int(number))
                if how.startswith("FAULT") and len(found[how]) == 1:
                    tell(f"{number} {how}")
    return found


def _late(ready):
    now, workers = time.monotonic(), [key.data for key in ready.get_map().values()]
    return [(w, True) for w in workers if now - w.since > LIMIT_S]


def main(description, one):
    """Be the command of a fuzz whose tries `one` makes; return its exit status."""
    parser = argparse.ArgumentParser(description=description.partition(":")[0])
    parser.add_argument("--tries", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes at once (default: 1)")
    parser.add_argument("--only", type=int, help="the number of one try, made in this process")
    parser.add_argument("--work", type=int, nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(one, *options.work)
        return 0
    if options.only is not None:
        with tempfile.TemporaryDirectory() as folder:
            print(one(options.seed, options.only, folder))
        return 0

    def tell(line):
        print(line, flush=True)

    found = run(sys.argv[0], options.seed, options.tries, options.jobs, tell)
    for how, numbers in sorted(found.items()):
        print(f"{len(numbers):7}  {how}" + f"  (tries {numbers[:5]})" * how.startswith("FAULT"))
    faults = sum(len(n) for how, n in found.items() if how.startswith("FAULT"))
    print(f"{sum(map(len, found.values()))} tries of seed {options.seed}, {faults} faults")
    return 1 if faults else 0

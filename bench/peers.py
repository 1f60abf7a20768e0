"""featherweight beside NumPy, ONNX Runtime, OpenVINO, PyTorch, JAX and scikit-learn.

    python bench/peers.py [--threads 1 2] [--only row-tiny ...] [--peers NumPy ...] [--quick]
                          [--json FILE] [--plot FILE] [--readme] [--add-to FILE]

Times whichever of them are installed. Each library has a process of its own, its threads pinned to
as many cores. One conductor asks the processes in turn for a short slice of repeats, many rounds
over, so that what else the machine does meets all alike; the least time of all repeats counts.
Before any is timed, its answer is compared with a float64 one written in NumPy.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import libraries
import report
import workloads

HERE = Path(__file__).resolve()
SLICE, ROUNDS = 0.1, 12  # seconds a slice, slices of each library for each workload


# ---- the worker: one library in its own process, told what to do line by line
def worker(name: str, threads: int) -> None:
    """Answer each line, a JSON command, with a line of JSON."""
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries may print
    library = libraries.LIBRARIES[name]()
    prepared = {}
    for line in sys.stdin:
        command = json.loads(line)
        w = workloads.Workload(**command["workload"])
        try:
            if command["do"] == "prepare":
                prepared.clear()
                prepared[w.key] = prepare(library, w, threads)
                answer = {}
            elif command["do"] == "limit":
                answer = limit(w, threads)
            else:
                answer = {"seconds": measure(w, *prepared[w.key], command["seconds"])}
        except NotImplementedError:
            answer = {"error": "has no such thing"}
        except Exception as e:  # whatever a peer raises is reported, and the others go on
            answer = {"error": f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}"}
        print(json.dumps(answer), file=answers, flush=True)


def prepare(library, w, threads):
    """Build and check; return (function, argument or None)."""
    if w.kind == "epoch":
        run, check = library.epoch(w, threads)
        # where Adam divides a tiny gradient by its own size a library may flush it to zero
        outliers = 0.0 if w.optimizer == "sgd" else 1e-3
        expected = workloads.expected_weights(w, library.plain_epsilon)
        workloads.check(check(), expected, 1e-4 if w.optimizer == "sgd" else 1e-3, outliers)
        return run, None
    f, x = library.forward(w, threads)
    found = f(x).reshape(w.rows, -1)[: workloads.CHECKED_ROWS]
    workloads.check(found, workloads.expected_outputs(w), 1e-5)
    return f, x


def measure(w, f, x, seconds):
    """Return the seconds of each repeat within a time slice, at least one."""
    clock, found = time.perf_counter, []
    if x is None:
        end = clock() + seconds
        while not found or clock() < end:
            start = clock()
            f()
            found.append(clock() - start)
        return found
    start = clock()
    f(x)
    once = clock() - start
    inner = range(max(1, min(2000, int(2e-3 / max(once, 1e-7)))))
    end = clock() + seconds
    while True:
        start = clock()
        for _ in inner:
            f(x)
        stop = clock()
        found.append((stop - start) / len(inner))
        if stop > end:
            return found


def limit(w, threads):
    """Return one core's FLOP/s at best, and the bytes/s that the threads read of the weights."""
    from featherweight import _core
    from featherweight.cli import _timing

    rates = _timing.measure_rates(_core.isas()[-1], w.weight_bytes, threads)
    return {"flops": rates.flops, "bytes": {str(n): rate for n, rate in rates.reading.items()}}


def best(limit: dict, other: dict) -> dict:
    """Return the higher of two measured limits' rates; the first may be empty."""
    reading = limit.get("bytes", {})
    return {
        "flops": max(other["flops"], limit.get("flops", 0.0)),
        "bytes": reading | {n: max(r, reading.get(n, 0.0)) for n, r in other["bytes"].items()},
    }


# ---- the conductor
def pin(threads: int) -> None:
    """Hold this process to as many cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


class Worker:
    def __init__(self, name: str, threads: int) -> None:
        self.name, self.threads = name, threads
        self.process = subprocess.Popen(
            [sys.executable, str(HERE), "--worker", name, "--threads", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=libraries.environment(name, threads),
            preexec_fn=lambda: pin(threads),  # before threads of NumPy's start, as it is loaded
        )

    def ask(self, **command) -> dict:
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else {"error": "its process ended"}

    def close(self) -> None:
        try:
            self.process.stdin.close()
            self.process.wait(timeout=60)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def take_turns(workers, w, seconds, rounds) -> dict:
    """Time one workload in all libraries, turn by turn."""
    result: dict = {"libraries": {}, "limit": {}}
    able = []
    for one in workers:
        answer = one.ask(do="prepare", workload=asdict(w))
        if "error" in answer:
            result["libraries"][one.name] = {"error": answer["error"]}
        else:
            able.append(one)
    times: dict[str, list[float]] = {one.name: [] for one in able}
    for _ in range(max(3, rounds // 3) if w.kind == "epoch" else rounds):
        for one in able:
            answer = one.ask(do="time", workload=asdict(w), seconds=seconds)
            times[one.name] += answer.get("seconds", [])
            if one.name == "featherweight":
                measure_limit(one, w, result)
    for name, seconds_of in times.items():
        if seconds_of:
            ordered = sorted(seconds_of)
            result["libraries"][name] = {
                "least": ordered[0],
                "median": ordered[len(ordered) // 2],
                "repeats": len(ordered),
            }
    for one in able:
        if one.name == "featherweight":
            raise_limit(one, w, result)
    return result


def measure_limit(one, w, result) -> None:
    """Have our own process measure the limit, and keep the best of it."""
    found = one.ask(do="limit", workload=asdict(w))
    if "error" not in found:
        result["limit"] = best(result["limit"], found)


def raise_limit(one, w, result) -> None:
    """Measure the limit again, a few times at most, while our time is below what it allows."""
    from featherweight.cli import _timing

    ours = result["libraries"].get("featherweight", {}).get("least")
    for _ in range(_timing.TRIES if ours and result["limit"] else 0):
        if report.share(w, ours, result["limit"], one.threads)[0] <= 1:
            return
        measure_limit(one, w, result)


def compare(w, names, threads, seconds, rounds) -> dict:
    """Time one workload with fresh processes."""
    workers = [Worker(n, threads) for n in names]
    try:
        return take_turns(workers, w, seconds, rounds)
    finally:
        for one in workers:
            one.close()


_START = {
    "Python alone": "pass",
    "NumPy": "import numpy as np; w = np.ones((16, 784), np.float32); w @ np.ones(784, np.float32)",
    "featherweight": (
        "import numpy as np, featherweight as fw;"
        "fw.Network([784, 16, 16, 10], rng=0)(np.ones(784, np.float32))"
    ),
    "ONNX Runtime": "import onnxruntime",
    "OpenVINO": "import openvino",
    "PyTorch": "import torch",
    "JAX": "import jax",
    "scikit-learn": "from sklearn.neural_network import MLPClassifier",
}


def cold_start(names, rounds: int) -> dict:
    """Time whole processes: start, import, build and one forward (peers: the import alone)."""
    found: dict[str, dict[str, float]] = {}
    peak = "next(int(l.split()[1]) for l in open('/proc/self/status') if l.startswith('VmHWM'))"
    report_memory = f"\nprint({peak})"
    for _ in range(rounds):
        for name in ["Python alone", *names]:
            if name not in _START:
                continue
            start = time.perf_counter()
            run = subprocess.run(
                [sys.executable, "-c", _START[name] + report_memory],
                env=libraries.environment(name, 1),
                capture_output=True,
                text=True,
                check=False,
            )
            spent = time.perf_counter() - start
            if run.returncode == 0:
                old = found.setdefault(name, {"least": spent, "kilobytes": int(run.stdout)})
                old["least"] = min(old["least"], spent)
                old["kilobytes"] = min(old["kilobytes"], int(run.stdout))
    return found


def added_to(earlier: dict, results: dict, anew: set[tuple[str, int]]) -> dict:
    """Return an earlier comparison's results, if it was of the same things on such a machine.

    Which workloads and numbers of threads are timed `anew` may have another kind of limit there.
    """
    for what in ("cpu", "python", "versions"):
        if earlier.get(what) != results[what]:
            sys.exit(
                f"--add-to: expected a comparison of the same {what}, {results[what]}, "
                f"found {earlier.get(what)}"
            )
    for key, by_threads in earlier["workloads"].items():
        for threads, one in by_threads.items():
            if workloads.WORKLOADS[key].rows == 1 and (key, int(threads)) not in anew:
                try:
                    report.reading_rate(one["limit"], int(threads))
                except ValueError as e:
                    sys.exit(f"--add-to: {key}: {e}")
    return earlier | {"date": results["date"]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1], metavar="N")
    parser.add_argument("--only", nargs="+", choices=workloads.WORKLOADS, metavar="WORKLOAD")
    parser.add_argument("--peers", nargs="+", choices=libraries.LIBRARIES, metavar="LIBRARY")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", type=Path, help="write all numbers there")
    parser.add_argument(
        "--add-to", type=Path, metavar="FILE", help="keep what an earlier --json has besides"
    )
    parser.add_argument("--plot", type=Path, help="draw the ratios there (needs matplotlib)")
    parser.add_argument(
        "--readme", action="store_true", help="fill in README.md's performance section"
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        worker(args.worker, args.threads[0])
        return
    available = len(os.sched_getaffinity(0))
    if max(args.threads) > available:
        parser.error(f"--threads: expected at most {available}, the cores there are")
    versions = {name: libraries.version(name) for name in libraries.LIBRARIES}
    names = [
        n
        for n, v in versions.items()
        if v and (n == "featherweight" or not args.peers or n in args.peers)
    ]
    if "featherweight" not in names:
        parser.error("featherweight is not installed in this environment")
    seconds, rounds = (0.03, 5) if args.quick else (SLICE, ROUNDS)
    results = {
        "cpu": report.cpu_name(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "versions": {n: versions[n] for n in names},
        "workloads": {},
    }
    if args.add_to:
        anew = {(key, n) for key in args.only or workloads.WORKLOADS for n in args.threads}
        results = added_to(json.loads(args.add_to.read_text()), results, anew)
    for threads in args.threads:
        for key in args.only or workloads.WORKLOADS:
            w = workloads.WORKLOADS[key]
            print(f"{w.title}, {threads} thread(s) ...", file=sys.stderr, flush=True)
            found = compare(w, names, threads, seconds, rounds)
            results["workloads"].setdefault(key, {})[str(threads)] = found
    if not args.only:
        results["cold start"] = cold_start(names, 3 if args.quick else 10)
    print(report.text(results))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    if args.plot:
        report.plot(results, args.plot)
    if args.readme:
        text = report.markdown(results)
        report.fill("performance", text, HERE.parent.parent / "README.md")


if __name__ == "__main__":
    main()

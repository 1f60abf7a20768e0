"""What each feature of training costs against the plain epoch: python bench/features.py [--docs]

In turns, least of many, one thread, data of MNIST's size. Input dropout stages every row, which a
plain epoch of float32 does not.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import featherweight as fw
import report

STEP = fw.schedules.ExponentialLR(0.9999, by="step")


def features(folder, rows):
    """Name by name what is added to fit's arguments, anew for every call."""
    weights = np.full(rows, 0.5, np.float32)
    return {
        "plain": dict,
        "dropout of hidden layers": lambda: {"dropout": 0.5},
        "dropout of inputs, too": lambda: {"dropout": 0.5, "input_dropout": 0.2},
        "label smoothing": lambda: {"label_smoothing": 0.1},
        "clip_norm": lambda: {"clip_norm": 1.0},
        "clip_value": lambda: {"clip_value": 0.1},
        "l2": lambda: {"l2": 1e-4},
        "sample weights": lambda: {"sample_weight": weights},
        "class weights": lambda: {"class_weight": "balanced"},
        "schedule by step": lambda: {"schedule": STEP},
        "checkpoint every epoch": lambda: {"callbacks": fw.Checkpoint(folder / "run.fw")},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=60_000, help="(default: 60000)")
    parser.add_argument("--repeats", type=int, default=7, help="(default: 7)")
    parser.add_argument(
        "--docs", action="store_true", help="fill in the table of docs/performance.md"
    )
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    x = rng.random((options.rows, 784), np.float32)
    labels = rng.integers(0, 10, options.rows)
    cases = (
        ("784-16-16-10, SGD, batch 32", (784, 16, 16, 10), "sigmoid", fw.SGD, 32, options.repeats),
        ("784-512-512-10, Adam, batch 128", (784, 512, 512, 10), "relu", fw.Adam, 128, 3),
        ("784-100-10, SGD, batch 10", (784, 100, 10), "sigmoid", fw.SGD, 10, 3),
    )
    costs = {}
    with tempfile.TemporaryDirectory() as folder:
        added = features(Path(folder), options.rows)
        for title, sizes, activation, kind, batch, repeats in cases:
            best = dict.fromkeys(added, np.inf)
            for _ in range(repeats):
                for name, make in added.items():
                    given = make()
                    optimizer = kind(1e-3, schedule=given.pop("schedule", None))
                    net = fw.Network(sizes, activation, rng=0, threads=1)
                    begin = time.perf_counter()
                    net.fit(x, labels, batch_size=batch, optimizer=optimizer, **given)
                    best[name] = min(best[name], time.perf_counter() - begin)
            print(title)
            costs[title] = {n: f"{100 * (t / best['plain'] - 1):+.1f} %" for n, t in best.items()}
            for name, cost in costs[title].items():
                print(f"  {name:<26} {cost:>9}")
    if options.docs:
        rows = [["", *costs], ["---"] * (1 + len(costs))]
        rows += [[n, *(c[n] for c in costs.values())] for n in added if n != "plain"]
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        text = f"`python bench/features.py` on {report.cpu_name()}, one thread.\n\n{table}\n"
        report.fill(
            "features", text, Path(__file__).resolve().parents[1] / "docs" / "performance.md"
        )


if __name__ == "__main__":
    main()

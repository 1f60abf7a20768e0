"""How well the networks of the README read digits: medians of five seeds, as a Markdown table.

    python bench/accuracy.py [--json FILE]

The full MNIST set is read as `featherweight.data.mnist()` finds it (FEATHERWEIGHT_DATA, the cache);
its rows are left out, with a sentence, where it isn't there. Recipes are fixed, and the accuracy is
that after the last epoch, so that no test image has a say in the training. The exit status is 1 if
a goal is missed.
"""

import argparse
import json
import statistics
import sys
import time
from typing import Any, NamedTuple

import featherweight as fw

SEEDS = range(5)


class Case(NamedTuple):
    """A network, its recipe, and the accuracy (per cent) that it is expected to reach."""

    data: str
    hidden: tuple[int, ...]
    activation: str
    epochs: int
    batch_size: int
    lr: float
    goal: float


CASES = (
    Case("MNIST", (16, 16), "sigmoid", 30, 32, 5e-3, 94.5),
    Case("MNIST", (16, 16), "relu", 30, 64, 3e-3, 95.5),
    Case("MNIST", (128,), "relu", 12, 64, 1.5e-3, 97.8),
    Case("embedded digits", (16, 16), "relu", 30, 64, 3e-3, 92.0),
)


def decay(optimizer: fw.Adam, epochs: int) -> Any:
    """Return a callback that lowers the learning rate linearly to a tenth of its first value."""
    first = optimizer.lr

    def on_epoch_end(state: fw.TrainingState) -> None:
        optimizer.lr = first * (1 - 0.9 * min(state.epoch, epochs - 1) / max(epochs - 1, 1))

    return on_epoch_end


def accuracy(case: Case, data: Any, seed: int) -> float:
    """Return the per cent of test images read rightly after training."""
    net = fw.Network(
        [784, *case.hidden, 10], case.activation, "softmax", input_scale=1 / 255, rng=seed
    )
    optimizer = fw.Adam(case.lr)
    net.fit(
        *data.train,
        epochs=case.epochs,
        batch_size=case.batch_size,
        optimizer=optimizer,
        callbacks=decay(optimizer, case.epochs),
    )
    return 100 * net.score(*data.test)


def main() -> int:
    """Print the table; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write every seed's accuracy there, too")
    arguments = parser.parse_args()
    sets: dict[str, Any] = {"embedded digits": fw.data.digits()}
    try:
        sets["MNIST"] = fw.data.mnist()
    except FileNotFoundError as e:
        print(f"Without the rows of the full set: {e}", file=sys.stderr)
    rows, missed = [], False
    print("| images (train / test) | network | hidden | recipe | accuracy | of 5 seeds | goal |")
    print("|---|---|---|---|---|---|---|")
    for case in CASES:
        if case.data not in sets:
            continue
        data, begin = sets[case.data], time.perf_counter()
        found = [accuracy(case, data, seed) for seed in SEEDS]
        median = statistics.median(found)
        missed |= median < case.goal
        sizes = "-".join(str(n) for n in (784, *case.hidden, 10))
        print(
            f"| {case.data} ({len(data.train.labels):,} / {len(data.test.labels):,}) | {sizes} "
            f"| {case.activation} | {case.epochs} epochs, batch {case.batch_size}, Adam "
            f"{case.lr:g} to a tenth | **{median:.2f} %** | {min(found):.2f} to {max(found):.2f} % "
            f"| {case.goal:g} % |",
            flush=True,
        )
        rows.append({**case._asdict(), "accuracies": found, "seconds": time.perf_counter() - begin})
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as f:
            json.dump({"version": fw.__version__, "rows": rows}, f, indent=1)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())

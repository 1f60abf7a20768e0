"""Epochs in which Python has no part: many in one crossing into compiled code."""

import time
from typing import TYPE_CHECKING

import numpy as np

from ..model.parameters import finite

if TYPE_CHECKING:
    from .run import Run

_MOST = 1000  # epochs at once, whose figures are kept until they are noted
_LOSS, _CORRECT, _ROWS, _SECONDS = range(4)  # columns of the core's results


def stretch(run: "Run") -> bool:
    """Train for epochs that are left, with neither callback, validation, metric nor schedule.

    Around a small network's epoch Python would take as long as the epoch, and keep other threads
    waiting. Returns whether to stop.
    """
    from .run import Epoch

    plan, samples, history, optimizer = run.plan, run.samples, run.history, run.plan.optimizer
    assert samples is not None
    before, batch = len(history.epoch), run._size
    count = min(plan.epochs - before, _MOST)
    seen, found = np.zeros(2, np.int64), np.empty((count, 4))
    run.next()
    name, hyper, memo, slots = optimizer._prepared(run.network, -(-samples.n // batch))
    run._good[:] = run.network.parameters
    samples.expect_files("y")

    def poll(done: int, rows: int, loss: float, correct: int) -> bool:
        number = before + done + (rows > 0)  # between epochs, the one that has ended
        return run._poll(Epoch(number, loss, correct, rows or samples.n), 0, rows in (0, samples.n))

    def account(good: int) -> None:
        done, rows = int(seen[0]), int(seen[1])
        steps = -(-found[:done, _ROWS].astype(np.int64) // batch)
        optimizer._steps += int(steps.sum()) - (-rows // batch)
        run.begun = before + done + (rows > 0)
        _note(run, found[:good], float(hyper["lr"]))

    try:
        failed, invalid = run._trainer.epochs(
            *samples[:4], name, hyper, plan.limits, memo, slots,
            plan.key if plan.shuffle else None, plan.first_epoch + before, count, poll, seen, found,
            run._good, samples.rows,
        )  # fmt: skip
    except BaseException:
        run.state.epoch = before + int(seen[0]) + 1
        account(int(seen[0]))
        raise
    done = int(seen[0])
    run.state.epoch = before + done
    if failed or not finite(run.network.parameters):
        account(done - 1)
        epoch = Epoch(before + done)
        epoch.invalid = invalid
        epoch.failed = failed or -(-samples.n // batch)
        epoch.what = "loss" if failed else "weights"
        run.end(epoch)  # which raises
    account(done)
    run.stopped |= time.monotonic() > run._deadline  # which short epochs aren't asked about
    return run.stopped


def _note(
    run: "Run", found: "np.ndarray[tuple[int, int], np.dtype[np.float64]]", lr: float
) -> None:
    """Put the figures of epochs that ended well into the history."""
    history, n, first = run.history, len(found), len(run.history.epoch) + 1
    if n == 0:
        return
    columns = found.T
    history.loss.extend(columns[_LOSS].tolist())
    if run.plan.classifier:
        history.accuracy.extend((columns[_CORRECT] / columns[_ROWS]).tolist())
    history.lr.extend([lr] * n)
    history.seconds.extend(columns[_SECONDS].tolist())
    rate = columns[_ROWS] / np.maximum(columns[_SECONDS], 1e-9)
    history.images_per_second.extend(rate.tolist())
    history.epoch.extend(range(first, first + n))
    run.plan.optimizer._epochs += n
    run.state.loss = history.loss[-1]
    shown = {"loss": history.loss[-1]}
    if run.plan.classifier:
        shown["accuracy"] = history.accuracy[-1]
    run._bar.at(first + n - 1, int(found[-1, _ROWS]), shown)

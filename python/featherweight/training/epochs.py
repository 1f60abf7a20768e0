"""Calls of compiled training: one pass over samples, or many epochs in a call."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..model.model import Model
from ..model.samples import BLOCK, Samples
from .plan import Plan

_LOSS, _CORRECT, _ROWS, _SECONDS = range(4)  # columns of the core's results
MOST = 1000  # epochs in a call, whose figures are kept until they are noted


@dataclass
class Epoch:
    """What an epoch has brought so far."""

    number: int
    loss: float = math.nan
    correct: int = 0
    rows: int = 0
    weight: float = 0.0
    penalty: float = 0.0  # the part of the loss that is the penalty
    failed: int = 0  # the step by which what follows was no longer finite, or the data were changed
    invalid: str | None = None  # what was found in data that were changed
    what: str = "loss"  # or weights
    lr: float = math.nan
    base: int = 0  # rows before the trainer's present pass
    steps: int = 0  # those of passes that ended


# called after steps with the epoch, its steps so far, and whether its rows are all done; whether
# to stop
Poll = Callable[[Epoch, int, bool], bool]


def batch_of(model: Model, item: Any, loss: str, where: str) -> Samples:
    """Return one item of an iterable as a batch's samples, or say what is wrong `where`."""
    if not isinstance(item, (tuple, list)) or not 2 <= len(item) <= 3:
        raise TypeError(
            f"x: expected an iterable of (x, y) or (x, y, sample_weight), "
            f"found {type(item).__name__} as {where}"
        )
    weight = item[2] if len(item) == 3 else None
    try:
        return Samples.checked(model, item[0], item[1], weight, loss=loss, zeros=True)
    except (TypeError, ValueError) as e:
        kind = TypeError if isinstance(e, TypeError) else ValueError
        raise kind(f"{e} (in {where})") from None


def make_trainer(model: Model, plan: Plan, batch: int) -> _core.CoreTrainer:
    """Return a trainer for batches of so many rows, with all that regularises."""
    trainer = _core.CoreTrainer(
        model._core, plan.loss.name, max(1, batch), plan.loss.parameter, plan.smoothing,
        plan.output_weights,
    )  # fmt: skip
    if any(plan.dropout):
        trainer.drop(plan.dropout, plan.key)
    if plan.count_rows:
        trainer.count_rows()
    return trainer


def make_checker(model: Model, plan: Plan, validation: Samples) -> _core.CoreTrainer:
    """Return what evaluates validation data."""
    return _core.CoreTrainer(
        model._core, plan.loss.name, min(BLOCK, max(1, validation.n)), plan.loss.parameter, 0.0,
        plan.output_weights,
    )  # fmt: skip


class Passes:
    """The trainer for a plan's batches, and its calls of compiled code."""

    def __init__(self, model: Model, plan: Plan, batch: int) -> None:
        self.model, self.plan = model, plan
        self.batch = 0  # the most rows that the trainer takes in a step
        self.resize(batch)
        self.begun = 0  # the last epoch for which rows were drawn
        self._seen = np.zeros(1, np.int64)  # rows of the present pass, kept by the core

    def resize(self, batch: int) -> None:
        """Make room for batches of so many rows."""
        if batch > self.batch:
            self._trainer = make_trainer(self.model, self.plan, batch)
            self.batch = batch

    def one(
        self,
        epoch: Epoch,
        samples: Samples,
        key: int | None,
        batch: int,
        every_step: bool,
        poll: Poll,
    ) -> None:
        """Train on samples, and add what came of it to the epoch; polled at each step if asked."""
        plan, optimizer = self.plan, self.plan.optimizer
        self.begun = epoch.number
        epoch.base, weight, loss = epoch.rows, epoch.weight, epoch.loss
        before, rows = epoch.correct, samples.n
        steps = -(-rows // batch)
        name, hyper, memo, slots = optimizer._prepare(self.model, steps)

        def note(done: int, mean: float, correct: int, total: float | None = None) -> None:
            epoch.rows, epoch.correct = epoch.base + done, before + correct
            total = float(done) if total is None else total
            epoch.loss = mean if weight == 0 else (loss * weight + mean * total) / (weight + total)

        def polled(done: int, mean: float, correct: int) -> bool:
            note(done, mean, correct)
            return poll(epoch, epoch.steps + -(-done // batch), done >= rows)

        self._seen[0] = 0
        try:
            mean, correct, seen, failed, total, penalty, epoch.invalid = self._trainer.epoch(
                _core.CoreSamples(*samples),
                _core.CoreOptimizer(name, hyper, plan.limits, memo, slots),
                key=key,
                number=plan.first_epoch + epoch.number - 1,
                poll=polled,
                seen=self._seen,
                every_step=every_step,
                position=epoch.base,
            )
        except BaseException:
            optimizer._advance(-(-int(self._seen[0]) // batch))
            raise
        done = -(-seen // batch)
        note(seen, mean, correct, total)
        epoch.weight = weight + total
        epoch.penalty += (penalty - epoch.penalty) * total / epoch.weight if total else 0.0
        if failed:
            epoch.failed = epoch.steps + failed
        epoch.steps += done
        optimizer._advance(done)
        if done:
            rate = hyper["lr"]
            epoch.lr = float(rate[done - 1] if isinstance(rate, np.ndarray) else rate)

    def many(self, samples: Samples, before: int, good: NDArray[np.floating]) -> "ManyEpochs":
        """Return the epochs that are left after so many, as many as one call may have.

        The core keeps the weights of the last one that ended well in `good`.
        """
        return ManyEpochs(self, samples, before, good)

    def call_many(
        self, many: "ManyEpochs", poll: Callable[[int, int, float, int], bool]
    ) -> tuple[int, str | None]:
        """Train for many epochs; return the step that failed, if one did, and why."""
        plan, samples = self.plan, many.samples
        try:
            return self._trainer.epochs(
                _core.CoreSamples(*samples),
                _core.CoreOptimizer(many.name, many.hyper, plan.limits, many.memo, many.slots),
                key=plan.key if plan.shuffle else None,
                number=plan.first_epoch + many.before,
                count=len(many.figures),
                poll=poll,
                seen=many.seen,
                results=many.figures,
                good=many.good,
            )
        finally:
            self.begun = many.before + many.done + (many.rows > 0)
            plan.optimizer._advance(many.steps(self.batch))


class ManyEpochs:
    """Epochs in one call, with neither callback, validation, metric nor schedule.

    Around a small network's epoch Python would take as long as the epoch, and keep other threads
    waiting.
    """

    def __init__(
        self, passes: Passes, samples: Samples, before: int, good: NDArray[np.floating]
    ) -> None:
        plan, model = passes.plan, passes.model
        self.samples, self.before, self.good = samples, before, good
        self.seen = np.zeros(2, np.int64)  # epochs, and rows of the one after, kept by the core
        self.figures = np.empty((min(plan.epochs - before, MOST), 4))
        steps = -(-samples.n // passes.batch)
        self.name, self.hyper, self.memo, self.slots = plan.optimizer._prepare(model, steps)

    @property
    def done(self) -> int:
        """How many epochs have ended."""
        return int(self.seen[0])

    @property
    def rows(self) -> int:
        """The rows of the epoch in hand that have been trained on."""
        return int(self.seen[1])

    def steps(self, batch: int) -> int:
        """Return how many steps have been taken."""
        whole = -(-self.figures[: self.done, _ROWS].astype(np.int64) // batch)
        return int(whole.sum()) + -(-self.rows // batch)

    def measured(self, epochs: int, classifier: bool) -> dict[str, list[float]]:
        """Return the figures of the first epochs as the history has them."""
        columns = self.figures[:epochs].T
        found = {"loss": columns[_LOSS].tolist()}
        if classifier:
            found["accuracy"] = (columns[_CORRECT] / columns[_ROWS]).tolist()
        found["lr"] = [float(self.hyper["lr"])] * epochs
        found["seconds"] = columns[_SECONDS].tolist()
        rate = columns[_ROWS] / np.maximum(columns[_SECONDS], 1e-9)
        return found | {"images_per_second": rate.tolist()}

    def rows_of_last(self, epochs: int) -> int:
        """Return the rows of the last of the first epochs."""
        return int(self.figures[epochs - 1, _ROWS])

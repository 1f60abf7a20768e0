"""The loop around the compiled epochs."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .. import _core
from ..model.model import Model
from ..model.parameters import finite
from ..model.samples import BLOCK, NO_WEIGHT, Samples, in_callers_environment, multilabel
from ..support import checks
from .callbacks import BATCH_EVENTS, TrainingState, tell
from .epochs import stretch
from .evaluation import metric_values
from .history import History
from .messages import check_validation, failure_of, training
from .metrics import check_multilabel
from .plan import Plan
from .progress import Lines, Shown, begin
from .unscaled import warn_of_bytes

_FIRST = "before the first epoch"


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


class Run:
    """One call of fit: arrays trained on in place, or batches from an iterable."""

    def __init__(
        self,
        network: Model,
        samples: Samples | None,
        batches: Iterable[Any] | None,
        validation: Samples | None,
        plan: Plan,
    ) -> None:
        self.network, self.plan, self.samples, self.batches = network, plan, samples, batches
        self.validation = validation
        self.history = History()
        self.state = TrainingState(network, self.history, plan.optimizer, plan.epochs, self)
        self.stopped = False
        self.asked = False  # by a callback, to stop
        self.cut = False  # an epoch in its middle, for want of time
        self.begun = 0  # the last epoch for which rows were drawn
        # a loss or weights that aren't finite, or data that were changed
        self.failure: FloatingPointError | TypeError | ValueError | None = None
        self.settings: dict[str, Any] | None = None  # as training began, for checkpoints
        # gives callbacks the states to go on from
        self.kept: Callable[[], None] | None = None
        self.rates: dict[str, Any] = {}  # the optimizer's settings to go on from
        self._opened = False  # callbacks have been told of the beginning, and not of the end
        self._core = network._core
        self._bar = Shown()  # nothing, until training begins
        self._size = 0  # of the trainer's batches
        self.latest: deque[tuple[int, Samples]] = deque(
            maxlen=2
        )  # batches of an iterable, by number
        self.checked = False  # that the validation data are finite
        self._seen = np.zeros(1, np.int64)  # rows of the present pass, kept by the core
        self._every_step = any(hasattr(c, e) for c in plan.callbacks for e in BATCH_EVENTS)
        if samples is not None:
            self._resize(min(plan.batch_size, samples.n))
        self._checker = None
        if validation is not None:
            self._checker = _core.CoreTrainer(
                self._core, plan.loss.name, min(BLOCK, max(1, validation.n)),
                plan.loss.parameter, 0.0, plan.output_weights,
            )  # fmt: skip

    def rebuild(self) -> None:
        """Make the trainer anew, the plan having changed."""
        batch, self._size = self._size, 0
        if batch:
            self._resize(batch)

    def _resize(self, batch: int) -> None:
        if batch > self._size:
            self._trainer = self.plan.trainer(self._core, batch)
            self._size = batch

    def ready(self) -> None:
        """Refuse what can't be done, before anything is changed."""
        self._choose_monitor()
        self._inform("_before_training")

    def _choose_monitor(self) -> None:
        name, filled = getattr(self.plan.optimizer.schedule, "monitor", None), self.filled()
        if name is None:
            name = "val_loss" if "val_loss" in filled else "loss"
        self._monitored = checks.choice("monitor", name, filled)

    def run(self) -> History:
        """Train for the epochs that are left."""
        plan, state, history = self.plan, self.state, self.history
        with training(self):
            stop = self.open()
            while not stop and len(history.epoch) < plan.epochs:
                if self._by_itself():
                    stop = stretch(self)
                    continue
                if self.enter():
                    break
                epoch = self._epoch(state.epoch)
                if epoch.rows == 0 and self.asked:
                    break
                idle = self.samples is None and epoch.weight == 0
                if idle and not (epoch.failed or self.stopped):
                    raise ValueError(
                        "x: expected at least one row of a weight above 0 from the iterable, found "
                        f"none in epoch {epoch.number}"
                    )
                stop = self.end(epoch)
        return history

    def begin(self) -> None:
        """Get ready for the first epoch."""
        self._core.clear_padding()
        self._good = np.empty_like(self.network.parameters)  # of the last epoch that ended well
        self._deadline = time.monotonic() + self.plan.max_time

    def open(self) -> bool:
        """Tell the callbacks that training begins, or goes on; return whether to stop."""
        stop = tell(self.plan.callbacks, "on_train_begin", self.state)
        self.set_rates()  # into which what the callbacks now did has gone already
        if self.kept is not None:
            self.kept()
            self.kept = None  # and with it a copy of the weights
        self._opened = True
        self._show()
        return stop or self.asked

    def _show(self) -> None:
        """Begin to show progress, below what callbacks have printed."""
        rows = 0 if self.samples is None else self.samples.n
        self._bar = begin(self.plan.progress, self.plan.epochs, rows, len(self.history.epoch))

    def set_rates(self) -> None:
        """Give the optimizer the settings that it had when training ended before."""
        for name, value in self.rates.items():
            setattr(self.plan.optimizer, name, value)

    def enter(self) -> bool:
        """Begin an epoch, and tell the callbacks; return whether to stop."""
        self.next()
        return tell(self.plan.callbacks, "on_epoch_begin", self.state)

    def next(self) -> None:
        """Begin an epoch."""
        self.state.epoch, self.state.batch = len(self.history.epoch) + 1, 0
        self._begin = time.perf_counter()
        self.stopped = False

    def finish(self) -> list[BaseException]:
        """Have the checkpoints written that are due, and tell the callbacks of the end.

        Each of it is done whatever comes of the others; returns what was raised.
        """
        raised: list[BaseException] = []
        opened, self._opened = self._opened, False
        own = [c._after_training for c in self.plan.callbacks if hasattr(c, "_after_training")]
        steps = [partial(f, self) for f in own]
        if opened:
            steps += [partial(tell, [c], "on_train_end", self.state) for c in self.plan.callbacks]
        for step in steps:
            try:
                step()
            except BaseException as error:
                raised.append(error)
        return raised

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()

    def halt(self) -> None:
        """End training with the step in hand; for other threads, once it has begun."""
        self._deadline = -math.inf

    def _by_itself(self) -> bool:
        """Whether compiled code can go from one epoch to the next with nothing of Python."""
        plan = self.plan
        looked_at = plan.callbacks or plan.metrics or self.validation is not None
        looked_at = looked_at or isinstance(self._bar, Lines)
        scheduled = plan.optimizer.schedule is not None
        return type(self) is Run and self.samples is not None and not (looked_at or scheduled)

    # One epoch

    def _epoch(self, number: int) -> Epoch:
        self._good[:] = self.network.parameters
        if self.samples is not None:
            self.samples.expect_files("y")
        epoch = Epoch(number)
        try:
            if self.samples is None:
                self._batches(epoch)
            elif self._enter_batch(1):
                key = self.plan.key if self.plan.shuffle else None
                self._pass(epoch, self.samples, key, self._size)
        except BaseException as e:
            # after a step whose weights nobody has looked at, or from a batch that is refused
            if e is self.failure or not finite(self.network.parameters):
                self._go_back(number)
            raise
        self._core.clear_padding()
        weighted = self.samples is not None and self.samples.weights is not None
        if weighted and epoch.weight == 0 and not self.stopped and not epoch.failed:
            epoch.failed, epoch.invalid = 1, NO_WEIGHT
        # the last step's are in no loss yet
        if not epoch.failed and not finite(self.network.parameters):
            epoch.failed, epoch.what = epoch.steps, "weights"
        return epoch

    def _go_back(self, number: int) -> None:
        """Give the network the weights that it had before an epoch."""
        self.network.parameters[:] = self._good
        self.plan.optimizer._owner = None  # whose state may hold what isn't finite
        self.state._holds = f"the end of epoch {number - 1}" if number > 1 else _FIRST

    def _batches(self, epoch: Epoch) -> None:
        assert self.batches is not None
        for number, item in enumerate(in_callers_environment(self.batches), 1):
            if not isinstance(item, (tuple, list)) or not 2 <= len(item) <= 3:
                self.failure = TypeError(
                    f"x: expected an iterable of (x, y) or (x, y, sample_weight), "
                    f"found {type(item).__name__} as batch {number} of epoch {epoch.number}"
                )
                raise self.failure
            weight = item[2] if len(item) == 3 else None
            try:
                samples = Samples.checked(
                    self.network, item[0], item[1], weight, loss=self.plan.loss.name, zeros=True
                )
            except (TypeError, ValueError) as e:
                kind = TypeError if isinstance(e, TypeError) else ValueError
                self.failure = kind(f"{e} (in batch {number} of epoch {epoch.number})")
                raise self.failure from None
            if samples.n == 0:
                continue
            if self.plan.classifier and multilabel(samples):
                self._has_several_labels()
            if not self.latest:  # the first
                warn_of_bytes(self.network, samples)
            if not self._enter_batch(epoch.steps + 1):
                return
            self._resize(samples.n)
            self.latest.append((number, samples))
            self._pass(epoch, samples, None, samples.n)
            if self.stopped or epoch.failed:
                return

    def _has_several_labels(self) -> None:
        """Take back the accuracies of batches before, whose rows had one label by chance."""
        self.plan.classifier, self.plan.multilabel = False, True
        check_multilabel(self.plan.metrics)
        self._choose_monitor()
        self.history.accuracy.clear()
        # from now on of rows that are right as a whole, if asked for by name
        before = len(self.history.epoch) if "val_accuracy" in self.filled() else 0
        self.history.val_accuracy[:] = [math.nan] * before

    def _pass(self, epoch: Epoch, samples: Samples, key: int | None, batch: int) -> None:
        """Train on a samples's rows, and add what came of it to the epoch."""
        plan, optimizer = self.plan, self.plan.optimizer
        trainer, self.begun = self._trainer, epoch.number
        epoch.base, weight, loss = epoch.rows, epoch.weight, epoch.loss
        before = epoch.correct
        steps = -(-samples.n // batch)
        name, hyper, memo, slots = optimizer._prepared(self.network, steps)

        def note(done: int, mean: float, correct: int, total: float | None = None) -> None:
            epoch.rows, epoch.correct = epoch.base + done, before + correct
            total = float(done) if total is None else total
            epoch.loss = mean if weight == 0 else (loss * weight + mean * total) / (weight + total)

        def poll(done: int, mean: float, correct: int) -> bool:
            note(done, mean, correct)
            return self._poll(epoch, epoch.steps + -(-done // batch), done >= samples.n)

        self._seen[0] = 0
        try:
            mean, correct, seen, failed, total, penalty, epoch.invalid = trainer.epoch(
                *samples[:4], name, hyper, plan.limits, memo, slots,
                key, plan.first_epoch + epoch.number - 1, poll, self._seen, samples.rows,
                self._every_step, epoch.base,
            )  # fmt: skip
        except BaseException:
            optimizer._steps += -(-int(self._seen[0]) // batch)
            raise
        done = -(-seen // batch)
        note(seen, mean, correct, total)
        epoch.weight = weight + total
        epoch.penalty += (penalty - epoch.penalty) * total / epoch.weight if total else 0.0
        if failed:
            epoch.failed = epoch.steps + failed
        epoch.steps += done
        optimizer._steps += done
        if done:
            rate = hyper["lr"]
            epoch.lr = float(rate[done - 1] if isinstance(rate, np.ndarray) else rate)

    def _enter_batch(self, batch: int) -> bool:
        """Tell who wants to know that a batch begins; return whether to go on."""
        if self._every_step:
            self.state.batch = batch
            if tell(self.plan.callbacks, "on_batch_begin", self.state):
                self.stopped = self.asked = True
        return not self.stopped

    def _poll(self, epoch: Epoch, steps: int, last: bool) -> bool:
        """Show what has come so far; return whether to stop."""
        values = {"loss": epoch.loss}
        if self.plan.classifier:
            values["accuracy"] = epoch.correct / max(1, epoch.rows)
        self._bar.at(epoch.number, epoch.rows, values)
        late = stop = time.monotonic() > self._deadline
        self.cut |= late and not (last and self.samples is not None)
        if self._every_step:
            self.state.loss, self.state.batch = epoch.loss, steps
            self.asked |= tell(self.plan.callbacks, "on_batch_end", self.state)
            stop |= self.asked
            if not stop and not last:
                stop = not self._enter_batch(steps + 1)
        self.stopped |= stop
        return stop

    # Its end

    def end(self, epoch: Epoch) -> bool:
        """Note what the epoch brought, and tell whoever wants to know; return whether to stop."""
        plan, history, number = self.plan, self.history, epoch.number
        if epoch.failed:
            self._go_back(number)
            raise failure_of(self, epoch)
        seconds = time.perf_counter() - self._begin
        row = {"loss": epoch.loss}
        if plan.classifier:
            row["accuracy"] = epoch.correct / epoch.rows
        row |= self._measure()
        row |= {"lr": epoch.lr, "seconds": seconds}
        row["images_per_second"] = epoch.rows / max(seconds, 1e-9)
        for name, value in row.items():
            history._add(name, value)
        history.epoch.append(number)
        plan.optimizer.end_epoch(history[self._monitored][-1])
        self.state.loss = epoch.loss
        self._bar.end(number, epoch.rows, row)
        self.asked |= tell(plan.callbacks, "on_epoch_end", self.state)
        self.stopped |= self.asked or time.monotonic() > self._deadline
        self._inform("_after_epoch")  # when all callbacks have said what they say
        return self.stopped

    def _inform(self, event: str) -> None:
        """Call those of our own callbacks that know of runs."""
        for c in self.plan.callbacks:
            if hasattr(c, event):
                getattr(c, event)(self)

    def _measure(self) -> dict[str, float]:
        """Return the validation's figures and the metrics'."""
        plan, validation = self.plan, self.validation
        row: dict[str, float] = {}
        if self._checker is not None and validation is not None:
            try:
                validation.expect_files("y")
                row["val_loss"], correct = self._checker.evaluate(*validation)
                if validation.weights is not None and not validation.weights.any():
                    raise ValueError(NO_WEIGHT)
            except ValueError as e:
                self.failure = ValueError(f"validation_data: {e} (after epoch {self.state.epoch})")
                raise self.failure from None
            if not math.isfinite(row["val_loss"]):
                check_validation(self, validation)
            if plan.classifier:
                row["val_accuracy"] = correct / validation.n
        # a classifier's accuracy is there already
        asked = [m for m in plan.metrics if not (plan.classifier and m.name == "accuracy")]
        for prefix, samples in (("", self.samples), ("val_", validation)):
            if asked and samples is not None:
                what = "validation y" if prefix else "y"
                samples.expect_files(what)
                found = metric_values(self.network, samples, asked, plan.multilabel, what)
                row |= {prefix + name: value for name, value in found.items()}
        return row

    def filled(self) -> list[str]:
        """Return the history's lists that say how good an epoch was."""
        names = ["loss", *["accuracy"] * self.plan.classifier, *[m.name for m in self.plan.metrics]]
        own = ["loss", *["accuracy"] * self.plan.classifier]  # which training brings by itself
        given = names if self.samples is not None else own
        return given + [f"val_{n}" for n in names if self.validation is not None]

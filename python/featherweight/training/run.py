"""A run of training: the loop around the compiled epochs, from its beginning to its end."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ..model.model import Model
from ..model.samples import NO_WEIGHT, Samples, in_callers_environment, multilabel
from ..support import checks
from ..support.changes import places
from .callbacks import BATCH_EVENTS, TrainingState, tell
from .epochs import Epoch, ManyEpochs, Passes, batch_of, make_checker
from .evaluation import DataError, measured
from .history import History
from .messages import bad_inputs, held, not_finite, note, stopped
from .plan import Plan
from .progress import Lines, Shown, begin
from .unscaled import warn_of_bytes


class Run:
    """One training of a network by a plan: on samples in place, or on batches from an iterable.

    Its life, in the order in which its methods may be called:

    1. ``Run(network, plan)`` takes the memory that it needs and changes nothing. Where a part of
       the samples is kept for validation, they are divided here.
    2. `ready` refuses what can't be done, as a schedule that monitors what isn't measured.
    3. ``record.restore``, if it goes on from a checkpoint, sets `history`, `rates`, `kept` and
       `asked`.
    4. `run` is all that follows, within `running`. Who brings another loop, as L-BFGS does, makes
       these calls in its place:

       - ``with running():`` begins and, whatever ends it, ends it in order: callbacks hear of the
         end, checkpoints that are due are written, the bar goes, and errors say where it was;
       - `open`, once: callbacks hear of the beginning, progress is shown;
       - for each epoch `enter` (callbacks hear that it begins), its passes, and `end`, which
         measures, notes in `history`, and tells the callbacks. Each returns whether to stop.

    `halt` may be called by another thread at any time after `run`. After its end a run is used up:
    `history` and `state` may be read.

    What it has besides `plan`, `network`, `history` and `state`: `samples` or `batches`, and
    `validation`; `stopped`, whether the epoch was the last; `asked`, whether a callback, now or
    before a checkpoint, said so; `cut`, whether an epoch ended in its middle for want of time;
    `failure`, the error of a loss that isn't finite or of data that were changed; `settings`, as
    they were when training began, for checkpoints.
    """

    def __init__(self, network: Model, plan: Plan) -> None:
        self.network, self.plan, self.batches = network, plan, plan.batches
        self.samples, self.validation = plan.samples, plan.validation
        if plan.split:
            self.samples, self.validation = plan.divided()
        where = places((self.samples or ())[:4]) if not plan.places else plan.places
        held_out = plan.validation_places or (where if plan.split else [])
        self._places = where, held_out
        self.history = History()
        self.state = TrainingState(network, self.history, plan.optimizer, plan.epochs)
        self.stopped = self.asked = self.cut = False
        self.failure: FloatingPointError | TypeError | ValueError | None = None
        self.settings: dict[str, Any] | None = None
        self.kept: Callable[[], None] | None = None  # gives callbacks the states to go on from
        self.rates: dict[str, Any] = {}  # the optimizer's settings to go on from
        self.good: Any = None  # the weights of the last epoch that ended well
        self._unit = "epoch"  # what messages call an epoch
        self.began = 0.0  # the epoch
        batch = 0 if self.samples is None else min(plan.batch_size, self.samples.n)
        self.passes = Passes(network, plan, batch)
        self._opened = False  # callbacks have been told of the beginning, and not of the end
        self._bar = Shown()  # nothing, until training begins
        # batches of an iterable, by number
        self._latest: deque[tuple[int, Samples]] = deque(maxlen=2)
        self._every_step = any(hasattr(c, e) for c in plan.callbacks for e in BATCH_EVENTS)
        v = self.validation
        self.checker = None if v is None else make_checker(network, plan, v)

    def ready(self) -> None:
        """Refuse what can't be done, before anything is changed."""
        self._choose_monitor()
        self._inform("_before_training", self.plan.callbacks)

    def _choose_monitor(self) -> None:
        name, filled = getattr(self.plan.optimizer.schedule, "monitor", None), self.filled()
        if name is None:
            name = "val_loss" if "val_loss" in filled else "loss"
        self._monitored = checks.choice("monitor", name, filled)

    def run(self) -> History:
        """Train for the epochs that are left."""
        plan, state, history = self.plan, self.state, self.history
        with self.running():
            stop = self.open()
            while not stop and len(history.epoch) < plan.epochs:
                if self._by_itself():
                    stop = self._many()
                    continue
                if self.enter():
                    break
                epoch = self.epoch(state.epoch)
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

    # Its beginning

    @contextmanager
    def running(self, unit: str = "epoch") -> Iterator[None]:
        """Begin a run, and clean up however it ends.

        An error of the clean-up becomes a note on the error that ended the run; without one it is
        raised itself.
        """
        error: BaseException | None = None
        self._unit = unit
        try:
            self.begin()
            yield
        except BaseException as e:
            error = e
        try:
            if error is not None:
                whole = len(self.history.epoch)  # which is noted last of all that an epoch brought
                for name in self.history.names:
                    del self.history[name][whole:]
            failures = self._finish()
            if error is None and failures:
                error = failures.pop(0)
            if error is not None:
                raise self._told(unit, error, failures)
        finally:
            self._bar.close()

    def begin(self) -> None:
        """Get ready for the first epoch."""
        self.network._core.clear_padding()
        self.good = self.network.parameters.copy()
        self._deadline = time.monotonic() + self.plan.max_time

    def open(self) -> bool:
        """Tell the callbacks that training begins, or goes on; return whether to stop."""
        stop = self._tell("on_train_begin")
        self.set_rates()  # callbacks' changes are in them already
        if self.kept is not None:
            self.kept()
            self.kept = None  # and with it a copy of the weights
        self._opened = True
        # below what callbacks have printed
        rows = 0 if self.samples is None else self.samples.n
        self._bar = begin(self.plan.progress, self.plan.epochs, rows, len(self.history.epoch))
        return stop or self.asked

    def set_rates(self) -> None:
        """Give the optimizer the settings that it had when training ended before."""
        if self.rates:
            self.plan.optimizer._set(**self.rates)

    def enter(self) -> bool:
        """Begin an epoch, and tell the callbacks; return whether to stop."""
        self.next()
        return self._tell("on_epoch_begin")

    def next(self) -> None:
        """Begin an epoch."""
        self.state.epoch, self.state.batch = len(self.history.epoch) + 1, 0
        self.began = time.perf_counter()
        self.stopped = False

    def _tell(self, event: str) -> bool:
        callbacks = self.plan.callbacks
        return bool(callbacks) and tell(callbacks, event, self.state)

    def _inform(self, event: str, callbacks: list[Any]) -> None:
        """Call those of our own callbacks that have the event with this run."""
        for c in callbacks:
            if hasattr(c, event):
                getattr(c, event)(self)

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

    # Epochs

    def _many(self) -> bool:
        """Train for epochs that are left in one call of compiled code; return whether to stop."""
        samples, before = self.samples, len(self.history.epoch)
        assert samples is not None
        self.next()
        self.good[:] = self.network.parameters
        self.expect_unchanged(before + 1)
        many, rows = self.passes.many(samples, before, self.good), samples.n

        def poll(done: int, seen: int, loss: float, correct: int) -> bool:
            number = before + done + (seen > 0)  # between epochs, the one that has ended
            return self._poll(Epoch(number, loss, correct, seen or rows), 0, seen in (0, rows))

        try:
            failed, invalid = self.passes.call_many(many, poll)
        except BaseException:
            self.state.epoch = before + many.done + 1
            self._note(many, many.done)
            raise
        done = self.state.epoch = before + many.done
        if failed or not self.network._core.finite_parameters():
            self._note(many, many.done - 1)
            epoch = Epoch(done, failed=failed or -(-rows // self.passes.batch), invalid=invalid)
            epoch.what = "loss" if failed else "weights"
            self.end(epoch)  # which raises
        self._note(many, many.done)
        self.stopped |= time.monotonic() > self._deadline  # which short epochs aren't asked about
        return self.stopped

    def _note(self, many: ManyEpochs, epochs: int) -> None:
        """Put the figures of epochs that ended well into the history."""
        if epochs < 1:
            return
        measured = many.measured(epochs, self.plan.classifier)
        self.history._extend(measured)
        self.plan.optimizer._advance(0, epochs)
        self.state.loss = measured["loss"][-1]
        names = ("loss", "accuracy")
        shown = {name: measured[name][-1] for name in names if name in measured}
        self._bar.at(len(self.history.epoch), many.rows_of_last(epochs), shown)

    def epoch(self, number: int) -> Epoch:
        """Train for one epoch, and return what it brought."""
        if not self.plan.callbacks or self.network._core.finite_parameters():
            self.good[:] = self.network.parameters
        epoch = Epoch(number)
        self.expect_unchanged(number)
        try:
            if self.samples is None:
                self._batches(epoch)
            elif self._enter_batch(1):
                key = self.plan.key if self.plan.shuffle else None
                batch = self.passes.batch
                self.passes.one(epoch, self.samples, key, batch, self._every_step, self._poll)
        except BaseException as e:
            # after a step whose weights are unchecked, or from a batch that is refused
            if e is self.failure or not self.network._core.finite_parameters():
                self._go_back(number)
            raise
        self.network._core.clear_padding()
        weighted = self.samples is not None and self.samples.weights is not None
        if weighted and epoch.weight == 0 and not self.stopped and not epoch.failed:
            epoch.failed, epoch.invalid = 1, NO_WEIGHT
        # the last step's are in no loss yet
        if not epoch.failed and not self.network._core.finite_parameters():
            epoch.failed, epoch.what = epoch.steps, "weights"
        return epoch

    def expect_unchanged(self, number: int) -> None:
        """Refuse samples before an epoch, or in it, whose arrays or files have become shorter."""
        if self.samples is None:
            return
        try:
            self.samples.expect_unchanged("y", self._places[0])
        except ValueError as e:
            raise self.fail(e, number) from None

    def _go_back(self, number: int) -> None:
        """Give the network the weights that it had before an epoch."""
        self.network.parameters[:] = self.good
        self.plan.optimizer._forget()  # its state may hold what isn't finite
        unit = self._unit
        self.state.holds = (
            f"the end of {unit} {number - 1}" if number > 1 else f"before the first {unit}"
        )

    def fail(
        self, error: FloatingPointError | TypeError | ValueError, number: int
    ) -> FloatingPointError | TypeError | ValueError:
        """Go back to the weights before an epoch; return the error, which will say so."""
        self._go_back(number)
        self.failure = error
        return error

    def _batches(self, epoch: Epoch) -> None:
        assert self.batches is not None
        for number, item in enumerate(in_callers_environment(self.batches), 1):
            try:
                where = f"batch {number} of epoch {epoch.number}"
                samples = batch_of(self.network, item, self.plan.loss.name, where)
                if samples.n and self.plan.classifier and multilabel(samples):
                    self._has_several_labels(where)
            except (TypeError, ValueError) as e:
                self.failure = e
                raise
            if samples.n == 0:
                continue
            if not self._latest:  # the first
                warn_of_bytes(self.network, samples)
            if not self._enter_batch(epoch.steps + 1):
                return
            try:
                samples.expect_unchanged("y")
            except ValueError as e:
                raise self.fail(ValueError(f"{e} (in {where})"), epoch.number) from None
            self.passes.resize(samples.n)
            self._latest.append((number, samples))
            self.passes.one(epoch, samples, None, samples.n, self._every_step, self._poll)
            if self.stopped or epoch.failed:
                return

    def _has_several_labels(self, where: str) -> None:
        """Take back the accuracies of batches before, whose rows had one label by chance."""
        try:
            self.plan.become_multilabel()
            self._choose_monitor()
        except ValueError as e:
            raise ValueError(f"{e} (in {where})") from None
        self.history.accuracy.clear()
        # from now on of rows that are right as a whole, if asked for by name
        before = len(self.history.epoch) if "val_accuracy" in self.filled() else 0
        self.history.val_accuracy[:] = [math.nan] * before

    def _enter_batch(self, batch: int) -> bool:
        """Tell who wants to know that a batch begins; return whether to go on."""
        if self._every_step:
            self.state.batch = batch
            if self._tell("on_batch_begin"):
                self.stopped = self.asked = True
            self.expect_unchanged(self.state.epoch)
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
            self.asked |= self._tell("on_batch_end")
            stop |= self.asked
            if not stop and not last:
                stop = not self._enter_batch(steps + 1)
        self.stopped |= stop
        return stop

    # An epoch's end

    def end(self, epoch: Epoch) -> bool:
        """Note what the epoch brought, and tell whoever wants to know; return whether to stop."""
        plan, history, number = self.plan, self.history, epoch.number
        if epoch.failed:
            self._go_back(number)
            raise self._failure_of(epoch)
        seconds = time.perf_counter() - self.began
        row = {"loss": epoch.loss}
        if plan.classifier:
            row["accuracy"] = epoch.correct / epoch.rows
        row |= self.measure()
        row |= {"lr": epoch.lr, "seconds": seconds}
        row["images_per_second"] = epoch.rows / max(seconds, 1e-9)
        history._extend({name: [value] for name, value in row.items()})
        plan.optimizer.end_epoch(history[self._monitored][-1])
        self.state.loss = epoch.loss
        self._bar.end(number, epoch.rows, row)
        if plan.callbacks:  # which may spoil the weights
            self.good[:] = self.network.parameters
        self.asked |= self._tell("on_epoch_end")
        self.stopped |= self.asked or time.monotonic() > self._deadline
        self._inform("_after_epoch", plan.callbacks)  # when all callbacks have said what they say
        return self.stopped

    def measure(self) -> dict[str, float]:
        """Return the validation's figures and the metrics'."""
        plan, number = self.plan, self.state.epoch
        try:
            return measured(
                self.network, self.checker, self.samples, self.validation, plan.metrics,
                plan.classifier, plan.multilabel, self._places,
            )  # fmt: skip
        except DataError as e:
            why = e.args[0]
            after = f"{why} (after {self._unit} {number})"
            raise self.fail(type(why)(after), number) from None

    def filled(self) -> list[str]:
        """Return the history's lists that say how good an epoch was."""
        names = ["loss", *["accuracy"] * self.plan.classifier, *[m.name for m in self.plan.metrics]]
        own = ["loss", *["accuracy"] * self.plan.classifier]  # which training brings by itself
        given = names if self.samples is not None else own
        return given + [f"val_{n}" for n in names if self.validation is not None]

    # How it ends

    def _finish(self) -> list[BaseException]:
        """Have the checkpoints written that are due, and tell the callbacks of the end.

        Each of it is done whatever comes of the others; returns what was raised.
        """
        raised: list[BaseException] = []
        opened, self._opened = self._opened, False
        steps: list[Callable[[], Any]] = [
            partial(self._inform, "_after_training", [c]) for c in self.plan.callbacks
        ]
        if opened:
            steps += [partial(tell, [c], "on_train_end", self.state) for c in self.plan.callbacks]
        for step in steps:
            try:
                step()
            except BaseException as error:
                raised.append(error)
        return raised

    def _told(
        self, unit: str, error: BaseException, failures: list[BaseException]
    ) -> BaseException:
        """Return what ended training, with a sentence on where, and with what failed after it."""
        if error is self.failure:
            error.args = (f"{error}; {held(self.state.holds)}",)
        if isinstance(error, KeyboardInterrupt):
            error = KeyboardInterrupt(self.where_stopped(unit))
            error.__suppress_context__ = True
        for failure in failures:
            note(error, failure)
        return error

    def where_stopped(self, unit: str = "epoch") -> str:
        """Return the sentence on where training was stopped, and what the network holds."""
        whole, epochs = len(self.history.epoch), self.plan.epochs
        return stopped(self.state.epoch, whole, epochs, self.state.holds, unit)

    def _failure_of(self, epoch: Epoch) -> FloatingPointError | ValueError:
        """Return the error of an epoch whose loss or weights weren't finite, or data not valid."""
        of = "" if self.samples is None else f" of {-(-self.samples.n // self.passes.batch)}"
        where = f"in epoch {epoch.number}, step {epoch.failed}{of}"
        failure: FloatingPointError | ValueError
        if epoch.invalid is not None:
            failure = ValueError(f"{epoch.invalid} ({where})")
        else:
            failure = not_finite(epoch.what, self.bad_inputs(), where)
        self.failure = failure
        return failure

    def bad_inputs(self) -> str | None:
        """Return a sentence on the inputs trained on last that are NaN or infinite, or None."""
        batches = self._latest if self.samples is None else [(0, self.samples)]
        return bad_inputs(batches, self.network.dtype)

"""The loop around the compiled epochs: history, callbacks, progress, and Ctrl-C."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _core, checks
from .optimizers import Adam, Optimizer

if TYPE_CHECKING:
    from .network import Network

_FIELDS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds")


class History:
    """What training measured, one entry per epoch.

    Attributes
    ----------
    epoch : list of int
        From 1.
    loss, accuracy : list of float
        Means over the epoch's mini-batches, each taken before its own step; accuracy is empty for
        a regressor.
    val_loss, val_accuracy : list of float
        On the validation data after the epoch, empty without any.
    seconds : list of float
        Wall time of the epoch's training.

    ``history["loss"]`` works as well.
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.loss: list[float] = []
        self.accuracy: list[float] = []
        self.val_loss: list[float] = []
        self.val_accuracy: list[float] = []
        self.seconds: list[float] = []

    def __getitem__(self, name: str) -> list[Any]:
        return list(getattr(self, checks.choice("history", name, _FIELDS)))

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the lists by name, copied."""
        return {name: self[name] for name in _FIELDS}

    def __repr__(self) -> str:
        if not self.epoch:
            return "History(no epochs)"
        last = ", ".join(f"{n}={self[n][-1]:.4g}" for n in _FIELDS[1:] if self[n])
        return f"History({len(self.epoch)} epochs; last: {last})"


class TrainingState:
    """What a callback gets.

    Attributes
    ----------
    epoch : int
        The epoch now, from 1; 0 before the first.
    history : History
    network : Network
    """

    def __init__(self, network: "Network", history: History) -> None:
        self.epoch = 0
        self.history = history
        self.network = network


Callback = Callable[[TrainingState], Any] | Any
_EVENTS = ("on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end")


def check_callbacks(callbacks: object) -> list[Callback]:
    """Return the callbacks as a list; a single one may stand alone."""
    given: Sequence[Any] = callbacks if isinstance(callbacks, (list, tuple)) else (callbacks,)
    for c in given:
        if not callable(c) and not any(hasattr(c, e) for e in _EVENTS):
            raise TypeError(
                f"callbacks: expected callables or objects with {' or '.join(_EVENTS)}, found {c!r}"
            )
    return list(given)


class _Bar:
    """A tqdm bar over all epochs' rows, or nothing."""

    def __init__(self, progress: bool | str, epochs: int, rows: int) -> None:
        show = progress is True or (progress == "auto" and _watched())
        self._bar: Any = None
        self._epochs, self._rows, self._done = epochs, rows, 0
        if show:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=epochs * rows, unit="img", unit_scale=True, leave=True)

    def at(self, epoch: int, rows: int, values: dict[str, float]) -> None:
        if self._bar is None:
            return
        now = (epoch - 1) * self._rows + rows
        self._bar.set_description(f"epoch {epoch}/{self._epochs}", refresh=False)
        self._bar.set_postfix({k: f"{v:.4f}" for k, v in values.items()}, refresh=False)
        self._bar.update(now - self._done)
        self._done = now

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _monitored(optimizer: Optimizer, validates: bool, classifier: bool) -> str:
    """Return the list of the history that the optimizer's schedule looks at."""
    name = getattr(optimizer.schedule, "monitor", None)
    if name is None:
        return "val_loss" if validates else "loss"
    filled = ["loss", *["accuracy"] * classifier]
    filled += [f"val_{n}" for n in filled if validates]
    return checks.choice("monitor", name, filled)


def _watched() -> bool:
    """Is a person watching: a terminal, or a notebook?"""
    if "ipykernel" in sys.modules:
        return True
    return bool(sys.stderr is not None and sys.stderr.isatty())


class Job(NamedTuple):
    """Data as the core takes them."""

    x: NDArray[Any]
    labels: NDArray[np.int64] | None
    values: NDArray[Any] | None
    weights: NDArray[Any] | None


def run(
    network: "Network",
    core: _core.CoreNetwork,
    job: Job,
    validation: Job | None,
    *,
    epochs: int,
    batch_size: int,
    optimizer: Optimizer | None,
    loss: str,
    shuffle: bool,
    key: int,
    first_epoch: int,
    limits: tuple[float, float, float],
    callbacks: list[Callback],
    progress: bool | str,
    classifier: bool,
) -> History:
    """Train for `epochs`; `first_epoch` numbers the generator's stream for the first of them."""
    rows = job.x.shape[0]
    optimizer = Adam() if optimizer is None else optimizer
    monitored = _monitored(optimizer, validation is not None, classifier)
    history = History()
    state = TrainingState(network, history)
    trainer = _core.CoreTrainer(core, loss, max(1, min(batch_size, rows)))
    checker = None
    if validation is not None:
        checker = _core.CoreTrainer(core, loss, max(1, min(1024, validation.x.shape[0])))
    parameters = network.parameters
    good = np.empty_like(parameters)  # those of the last epoch that ended well
    bar = _Bar(progress, epochs, rows)
    steps = -(-rows // max(1, min(batch_size, rows)))

    def tell(event: str) -> bool:
        stop = False
        for c in callbacks:
            method = getattr(c, event, None)
            if method is None and event == "on_epoch_end" and callable(c):
                method = c
            if method is not None:
                answer = method(state)
                stop |= isinstance(answer, (bool, np.bool_)) and bool(answer)
        return stop

    try:
        stop = tell("on_train_begin")
        for epoch in range(1, epochs + 1):
            if stop:
                break
            state.epoch = epoch
            if tell("on_epoch_begin"):
                break

            def poll(done: int, so_far: float, correct: int, epoch: int = epoch) -> None:
                values = {"loss": so_far}
                if classifier:
                    values["accuracy"] = correct / done
                bar.at(epoch, done, values)

            memo, slots = optimizer._bind(network)
            name, hyper = optimizer._hyper(steps)
            good[:] = parameters
            begin = time.perf_counter()
            number = first_epoch + epoch - 1
            mean, correct, seen, failed = trainer.epoch(
                *job, name, hyper, limits, memo, slots, key if shuffle else None, number, poll
            )
            if failed:
                parameters[:] = good
                optimizer._owner = None  # whose state may hold what isn't finite
                raise FloatingPointError(
                    f"loss: expected a finite one, found nan or infinity in epoch {epoch}, step "
                    f"{failed} of {steps}; the network holds the weights of "
                    + (f"the end of epoch {epoch - 1}" if epoch > 1 else "before the first epoch")
                )
            optimizer._steps += steps
            history.seconds.append(time.perf_counter() - begin)
            history.epoch.append(epoch)
            history.loss.append(mean)
            if classifier:
                history.accuracy.append(correct / seen)
            if checker is not None and validation is not None:
                val_loss, val_correct = checker.evaluate(*validation)
                history.val_loss.append(val_loss)
                if classifier:
                    history.val_accuracy.append(val_correct / validation.x.shape[0])
            optimizer.end_epoch(history[monitored][-1])
            bar.at(epoch, rows, {n: history[n][-1] for n in _FIELDS[1:5] if history[n]})
            stop = tell("on_epoch_end")
        tell("on_train_end")
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"training stopped in epoch {state.epoch} of {epochs}; the network holds the weights "
            "of the last completed step"
        ) from None
    finally:
        bar.close()
    return history

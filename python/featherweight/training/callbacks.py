"""What may look on while a network is trained, and end it."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from .. import _core
from ..model.model import Model
from ..optimizers import Optimizer
from ..support.checks import brief, choice, number, whole
from ..support.hints import Strict
from .history import History


class Measuring(Protocol):
    """What callbacks of our own know of a run."""

    def filled(self) -> list[str]:
        """Return the history's lists that say how good an epoch was."""


class TrainingState(Strict):
    """What a callback gets.

    Attributes
    ----------
    epoch : int
        The epoch now, from 1; 0 before the first.
    batch : int
        The mini-batch now, from 1 in each epoch; 0 before the first. Counted for callbacks with
        ``on_batch_begin`` or ``on_batch_end`` alone.
    loss : float
        The mean over this epoch's mini-batches so far, NaN before the first.
    epochs : int
        How many there shall be.
    history : History
    network : Network
    optimizer : Optimizer
    holds : str
        Whose weights the network has, in words: as of which epoch or step.
    """

    __module__ = "featherweight"

    epoch = batch = 0
    loss = math.nan
    holds = ""

    def __init__(self, network: Model, history: History, optimizer: Optimizer, epochs: int) -> None:
        self.epoch = self.batch = 0
        self.loss = math.nan
        self.epochs = epochs
        self.history = history
        self.network = network
        self.optimizer = optimizer
        self.holds = "the last completed step"


Callback = Callable[[TrainingState], Any] | Any
BATCH_EVENTS = ("on_batch_begin", "on_batch_end")
_EVENTS = ("on_train_begin", "on_epoch_begin", *BATCH_EVENTS, "on_epoch_end", "on_train_end")


def check_callbacks(callbacks: object) -> list[Callback]:
    """Return the callbacks as a list; a single one may stand alone."""
    given: Sequence[Any] = callbacks if isinstance(callbacks, (list, tuple)) else (callbacks,)
    for c in given:
        if isinstance(c, type):
            raise TypeError(f"callbacks: expected an object, found the class {c.__name__}")
        if not callable(c) and not any(hasattr(c, e) for e in _EVENTS):
            _check_events(c)  # a misspelt event is named
            raise TypeError(
                f"callbacks: expected callables or objects with {' or '.join(_EVENTS)}, "
                f"found {brief(c)}"
            )
        _check_events(c)
    return list(given)


_OTHER_EVENTS = {  # of Keras and Lightning
    "on_train_start": "on_train_begin",
    "on_fit_start": "on_train_begin",
    "on_fit_end": "on_train_end",
    "on_epoch_start": "on_epoch_begin",
    "on_train_epoch_start": "on_epoch_begin",
    "on_train_epoch_end": "on_epoch_end",
    "on_validation_epoch_end": "on_epoch_end",
    "on_batch_start": "on_batch_begin",
    "on_train_batch_start": "on_batch_begin",
    "on_train_batch_begin": "on_batch_begin",
    "on_train_batch_end": "on_batch_end",
    "on_step_begin": "on_batch_begin",
    "on_step_end": "on_batch_end",
    "on_evaluate": "on_epoch_end",
    "on_validation_end": "on_epoch_end",
    "on_validation_epoch_start": "on_epoch_begin",
    "on_validation_start": "on_epoch_begin",
    "set_model": "on_train_begin",
    "set_params": "on_train_begin",
}
# of these there are none: what they would be called for has no callbacks
_NEVER = ("on_test_", "on_predict_", "on_validation_batch_", "on_val_")
_OTHERS = {"epoch", "batch", "logs", "model", "trainer", "estimator"}  # what others are called with


def _check_events(callback: Any) -> None:
    """Refuse methods for events that would be called with less than they take, or never."""
    from difflib import get_close_matches
    from inspect import signature

    kind = type(callback).__name__
    if callable(callback) and not any(hasattr(callback, e) for e in _EVENTS):
        _check_callable(callback)
    # by a looser measure where it has no event that is known: it would be refused anyway
    cutoff = 0.9 if callable(callback) or any(hasattr(callback, e) for e in _EVENTS) else 0.6
    for name in dir(callback):
        if name in _EVENTS or not name.startswith(("on_", "set_model", "set_params")):
            continue
        if name.startswith(_NEVER) and callable(getattr(callback, name)):
            raise TypeError(
                f"callbacks: expected {', '.join(_EVENTS)} alone, as training is all that calls "
                f"callbacks, found {name} in {kind}"
            )
        right = _OTHER_EVENTS.get(name)
        if name == "set_params" and hasattr(callback, "get_params"):  # of scikit-learn
            continue
        if not name.startswith("on_") and right is None:
            continue
        if near := [right] if right else get_close_matches(name, _EVENTS, n=1, cutoff=cutoff):
            raise TypeError(f"callbacks: expected {near[0]}, found {name} in {kind}")
    for event in _EVENTS:
        method = getattr(callback, event, None)
        if method is not None and (not callable(method) or _runs_later(method)):
            raise TypeError(
                f"callbacks: expected {event} to be a method that runs when it is called, found "
                f"{brief(method)} in {kind}"
            )
        try:
            taken = signature(method).parameters if callable(method) else {}
        except (TypeError, ValueError):  # compiled
            continue
        parameters = list(taken)
        needed = {p.name for p in taken.values() if p.default is p.empty} | set(parameters[:1])
        if callable(method) and (_OTHERS & needed or not _takes_one(method) or _takes_more(taken)):
            raise TypeError(
                f"callbacks: expected {event}(state), a TrainingState with epoch, loss, history, "
                f"network; found {event}({', '.join(parameters)}) in {kind}"
            )


def _runs_later(function: Any) -> bool:
    """Whether a call makes a coroutine or a generator, and runs nothing of the function."""
    from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction

    kinds = (isasyncgenfunction, iscoroutinefunction, isgeneratorfunction)
    return any(is_one(function) for is_one in kinds)


def _takes_more(taken: Mapping[str, Any]) -> bool:
    """Whether a second parameter is for Keras' logs, whose first is no state."""
    places = [p for p in taken.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return any(p.name == "logs" for p in places[1:])


def _takes_one(method: Any) -> bool:
    """Whether a method can be called with one argument."""
    from inspect import signature

    try:
        signature(method).bind(None)
    except TypeError:
        return False
    return True


def _check_callable(callback: Any) -> None:
    """Refuse a callable that can't be called with a TrainingState alone."""
    from inspect import Signature, signature

    try:
        taken = signature(callback)
    except (TypeError, ValueError):  # compiled
        return
    if _runs_later(callback):
        raise TypeError(
            f"callbacks: expected a function that runs when it is called, found {brief(callback)}"
        )
    if not _takes_one(callback) or _takes_more(taken.parameters):
        name = getattr(callback, "__name__", type(callback).__name__)
        raise TypeError(
            "callbacks: expected a callable of one argument, a TrainingState with epoch, loss, "
            f"history, network; found {name}{taken.replace(return_annotation=Signature.empty)}"
        )


def tell(callbacks: list[Callback], event: str, state: TrainingState) -> bool:
    """Call those that have the event, all of them; return whether one's answer is true."""
    stop = False
    for c in callbacks:
        method = getattr(c, event, None)
        if method is None and event == "on_epoch_end" and callable(c):
            method = c
        if method is not None:
            with _core.CallersEnvironment():
                answer = method(state)
            try:
                stop |= bool(answer)
            except ValueError:  # of an array of several
                raise TypeError(
                    f"callbacks: expected something true or false from {event}, "
                    f"found {type(answer).__name__} of shape {np.shape(answer)}"
                ) from None
    return stop


class EarlyStopping(Strict):
    """Ends training when nothing gets better any more, and gives the best weights back.

    Parameters
    ----------
    monitor : str, optional
        A list of the history; by default ``val_loss``, without validation data ``loss``.
    patience : int
        Epochs without an improvement that are borne; NaN is none.
    min_delta : float
        What an improvement must exceed, at least 0.
    mode : {"auto", "min", "max"}
        Whether less is better, or more; "auto": less of what is called a loss or an error (mse,
        rmse, mae), more of anything else.
    restore_best : bool
        At the end of training, however it comes (Ctrl-C and errors included), the network gets the
        weights of its best epoch.

    Attributes
    ----------
    best, best_epoch
        The best value and its epoch; None before the first.

    Notes
    -----
    Prechelt, "Early stopping - but when?", 1998.
    """

    __module__ = "featherweight"

    best: float | None = None
    best_epoch: int | None = None

    def __init__(
        self,
        monitor: str | None = None,
        patience: int = 10,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best: bool = True,
    ) -> None:
        if monitor is not None and not isinstance(monitor, str):
            raise TypeError(
                f"monitor: expected a name of the history or None, found {brief(monitor)}"
            )
        self.monitor = monitor
        self.patience = whole("patience", patience, 0)
        self.min_delta = number("min_delta", min_delta, 0.0, math.inf)
        self.mode = choice("mode", mode, ("auto", "min", "max"))
        self.restore_best = bool(restore_best)
        self.best, self.best_epoch = None, None
        self._weights: Any = None

    def _before_training(self, run: Measuring) -> None:
        if self.monitor is not None:
            choice("monitor", self.monitor, run.filled())

    def on_train_begin(self, state: TrainingState) -> None:
        self.best = self.best_epoch = self._weights = None

    def on_epoch_end(self, state: TrainingState) -> bool:
        name = self.monitor or ("val_loss" if state.history.val_loss else "loss")
        values = state.history[name]
        if not values:
            raise ValueError(
                f"monitor: expected a list of the history that is filled, found {name}"
            )
        value = float(values[-1])
        less = name.endswith(("loss", "mse", "mae", "error"))
        less = self.mode == "min" or (self.mode == "auto" and less)
        gain = math.nan if self.best is None else (self.best - value if less else value - self.best)
        # NaN is no improvement on NaN: training that brings nothing else is to end, too
        better_than_nan = math.isnan(self.best or 0.0) and not math.isnan(value)
        if self.best is None or gain > self.min_delta or better_than_nan:
            self.best, self.best_epoch = value, state.epoch
            if self.restore_best:
                self._weights = state.network.parameters.copy()
            return False
        assert self.best_epoch is not None
        return state.epoch - self.best_epoch > self.patience

    def on_train_end(self, state: TrainingState) -> None:
        if self._weights is not None:
            state.network.parameters[:] = self._weights
            state.holds = f"epoch {self.best_epoch}, the best"

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must keep: numbers and arrays by name."""
        kept = {"best": self.best, "best_epoch": self.best_epoch}
        return kept if self._weights is None else kept | {"weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned; ValueError, and no change, for anything else."""
        self._check_state(state)
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self._weights = state.get("weights")

    def _check_state(self, state: Any, network: Model | None = None) -> None:
        """Refuse what `state_dict` can't have returned, of training this network if it is given."""
        if not isinstance(state, dict) or not {"best", "best_epoch"} <= set(state):
            found = sorted(map(str, state)) if isinstance(state, dict) else state
            raise ValueError(f"expected best and best_epoch, found {found!r}")
        best, epoch, weights = state["best"], state["best_epoch"], state.get("weights")
        if (best is None) != (epoch is None):
            raise ValueError(f"expected best and best_epoch or neither, found {best!r}, {epoch!r}")
        if not (best is None or type(best) is float or (type(best) is int and abs(best) < 1 << 53)):
            raise ValueError(f"expected a number as best, found {best!r}")
        if epoch is not None and (type(epoch) is not int or not 1 <= epoch < 1 << 53):
            raise ValueError(f"expected an epoch as best_epoch, found {epoch!r}")
        if weights is None:
            return
        if not isinstance(weights, np.ndarray) or weights.dtype.kind != "f" or weights.ndim != 1:
            raise ValueError(f"expected a flat array as weights, found {type(weights).__name__}")
        shape = weights.shape if network is None else network.parameters.shape
        if weights.shape != shape or (network is not None and weights.dtype != network.dtype):
            raise ValueError(
                f"expected weights of shape {shape}, found {weights.shape} of {weights.dtype}"
            )

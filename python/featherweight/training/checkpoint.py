"""Training that outlives its process: all of its state in one file, which `record` reads."""

import os
import re
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ..exchange import safetensors as files
from ..exchange.atomic import check_place, remove_leftovers
from ..optimizers import Optimizer
from ..support import checks
from ..support.hints import Strict
from .callbacks import TrainingState
from .run import Run

VERSION = 2
WEIGHTS = "sample_weight and class_weight"
# by optimizers, of their last run with a checkpoint: settings at its end and as it began
_trained: WeakKeyDictionary[Optimizer, tuple[Any, Any]] = WeakKeyDictionary()


class Checkpoint(Strict):
    """A callback that writes, after epochs, all that training needs to go on.

    The network, the optimizer's state and rates, its schedule's state, the random generator's
    place, the history and what else keeps a state (callbacks, an iterable of batches, a callable as
    schedule: those that have ``state_dict``), in a safetensors file that `load` reads, too. It is
    written beside `path` and renamed, so that whenever the process dies there is a whole file: the
    new one or the one before. One training at a time may write to a path.

    Parameters
    ----------
    path : path
        In a folder that exists and can be written to, which is tried before training.
    every : int
        Epochs from one to the next, at least 1. The last whole epoch's is written however training
        ends: by itself, by a callback, by Ctrl-C, by an error.

    Raises
    ------
    TypeError, ValueError
        If `path` isn't a path or `every` isn't such a number.
    OSError
        As training begins, if no file can be written there.

    Notes
    -----
    ``state_dict()`` returns a dict, by name, of numbers, text, None, arrays of numbers, and lists
    and dicts of these; ``load_state_dict`` gets it back, tuples as lists, when training is resumed:
    callbacks after ``on_train_begin``, whose changes of rates are not made a second time. One that
    has the first method and not the second is refused before training.

    Examples
    --------
    >>> net.fit(x, y, epochs=100, callbacks=fw.Checkpoint("run.fw"), resume="run.fw")
    ... # doctest: +SKIP
    """

    __module__ = "featherweight"

    _due: "State | None" = None  # the last epoch's, until it is written

    def __init__(self, path: "str | os.PathLike[str]", every: int = 1) -> None:
        self.path = checks.path("path", path)
        self.every = checks.whole("every", every, 1)

    def _before_training(self, run: Run) -> None:
        check_place(self.path)
        keepers(run)  # refuses those that can't go on
        self._due = None
        run.settings = settings(run)  # before a callback changes a rate

    def on_train_begin(self, state: TrainingState) -> None:
        remove_leftovers(self.path)

    def _after_epoch(self, run: Run) -> None:
        if run.cut:  # the epoch is to be had whole after resuming, from the one before
            return
        self._due = State(run)
        if self._due.epochs % self.every == 0:
            self._after_training(run)

    def _after_training(self, run: Run) -> None:
        assert run.settings is not None
        optimizer = run.plan.optimizer
        _trained[optimizer] = rates(optimizer), run.settings["optimizer"]
        if self._due is not None:
            self._due.write(self.path)
            self._due = None


class State:
    """A run's, as of the end of an epoch: copied, as training may go on, and quickly."""

    def __init__(self, run: Run) -> None:
        plan, optimizer = run.plan, run.plan.optimizer
        self.epochs, self._run = len(run.history.epoch), run
        self._parameters = run.network.parameters.copy()
        tensors, steps, epochs = optimizer._described()
        self._tensors = {name: a.copy() for name, a in tensors.items()}
        self._rates = rates(optimizer)
        self._training = {
            "version": VERSION,
            "key": str(plan.key),
            "first_epoch": plan.first_epoch,
            "steps": steps,
            "epochs": epochs,
            "stopped": run.asked,
            "multilabel": plan.multilabel,
            "settings": run.settings,
            "kept": [self._pack_state(*k) for k in keepers(run).items()],
        }

    def _pack_state(self, name: str, owner: Any) -> Any:
        expected = f"{name}: expected from {type(owner).__name__}.state_dict"
        return _pack(owner.state_dict(), self._tensors, expected)

    def write(self, path: str) -> None:
        """Write it, with the network and with the history up to it."""
        tensors, header = files.describe(self._run.network, self._parameters)
        measured = self._run.history.to_dict().items()  # in their order
        header["training"] = self._training | {
            "rates": _pack(self._rates, self._tensors, "optimizer: expected settings of"),
            "history": [(name, values[: self.epochs]) for name, values in measured],
        }
        files.write(path, tensors | self._tensors, header, clean=False)


def settings(run: Run) -> dict[str, Any]:
    """Return what must be the same for a resumed run to have the bits of an undisturbed one."""
    plan, samples, validation = run.plan, run.samples, run.validation
    optimizer = dict(plan.optimizer.__getstate__())
    schedule = repr(optimizer.get("schedule"))
    optimizer["schedule"] = re.sub(r" at 0x[0-9a-fA-F]+", "", schedule)  # of a function
    weights = None if samples is None or samples.weights is None else _digest(samples.weights)
    return {
        "optimizer": [
            type(plan.optimizer).__name__,
            sorted((k, repr(v)) for k, v in optimizer.items()),
        ],
        "loss": repr(plan.loss),
        "batch_size": plan.batch_size,
        "shuffle": plan.shuffle,
        "limits": list(plan.limits),
        "dropout": list(plan.dropout),
        "label_smoothing": plan.smoothing,
        "output_weights": plan.output_weights,
        "rows": None if samples is None else samples.n,
        WEIGHTS: weights,
        "validation rows": None if validation is None else validation.n,
        "metrics": [m.name for m in plan.metrics],
        "callbacks": [type(c).__name__ for c in plan.callbacks if hasattr(c, "state_dict")],
        "batches": type(run.batches).__name__ if hasattr(run.batches, "state_dict") else None,
    }


def _digest(a: NDArray[Any]) -> str:
    from hashlib import blake2b

    return blake2b(np.ascontiguousarray(a).data).hexdigest()


def keepers(run: Run) -> dict[str, Any]:
    """Return, by what the sentences call them, those that have a state of their own."""
    found: dict[str, Any] = {"schedule": run.plan.optimizer.schedule, "batches": run.batches}
    found |= {f"callbacks[{i}]": c for i, c in enumerate(run.plan.callbacks)}
    found = {name: owner for name, owner in found.items() if hasattr(owner, "state_dict")}
    for name, owner in found.items():
        if not hasattr(owner, "load_state_dict"):
            raise TypeError(
                f"{name}: expected load_state_dict beside state_dict, found none in "
                f"{type(owner).__name__}"
            )
    return found


def rates(optimizer: Optimizer) -> dict[str, Any]:
    """Return the optimizer's settings as they are now, which callbacks may change."""
    return {k: v for k, v in optimizer.__getstate__().items() if k != "schedule"}


def went_on(run: Run, now: dict[str, Any], before: list[Any], saved: dict[str, Any]) -> bool:
    """Whether training goes on with the same optimizer, whose rates callbacks have changed.

    They are then those of the saved epochs' end, or, of an epoch that was cut short, those that
    training left behind when it had begun with the settings before.
    """
    assert run.settings is not None
    kind, ours = run.settings["optimizer"]
    if kind != before[0] or dict(ours).get("schedule") != dict(before[1]).get("schedule"):
        return False
    left, began = _trained.get(run.plan.optimizer, (None, None))
    as_saved = plain(sorted(now.items())) == plain(sorted(saved.items()))
    return bool(as_saved or (now == left and plain(began) == plain(before)))


def _pack(value: Any, tensors: dict[str, Any], expected: str) -> Any:
    """Return a state as JSON can hold it, its arrays put among the tensors."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.itemsize <= 8:
        name = f"training.{len(tensors)}"
        tensors[name] = value.copy()
        return {"array": name}
    if isinstance(value, (list, tuple)):
        return [_pack(v, tensors, expected) for v in value]
    if isinstance(value, dict) and all(isinstance(k, str) for k in value):
        return {"dict": {k: _pack(v, tensors, expected) for k, v in value.items()}}
    raise TypeError(
        f"{expected} numbers, text, arrays of numbers, and lists and dicts of these by name, "
        f"found {value!r}"
    )


def differing(found: dict[str, Any], wanted: dict[str, Any]) -> str | None:
    """Return the first name whose value isn't the wanted one, tuples and lists being alike."""
    return next((k for k, v in wanted.items() if plain(found.get(k)) != plain(v)), None)


def plain(value: Any) -> Any:
    """Return value with its tuples as lists: as JSON gives it back."""
    return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value

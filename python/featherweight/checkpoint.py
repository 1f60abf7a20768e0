"""Training that outlives its process: all of its state in one file, and the way back from it."""

import errno
import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks, files

if TYPE_CHECKING:
    from .callbacks import TrainingState
    from .schedules import Schedule
    from .training import Run

_VERSION = 1


class Checkpoint:
    """A callback that writes, after epochs, all that training needs to go on.

    The network, the optimizer's state, its schedule's, the random generator's place, the history
    and what the other callbacks keep (those that have ``state_dict``), in a safetensors file that
    `load` reads, too. It is written beside `path` and renamed, so that whenever the process dies
    there is a whole file: the new one or the one before.

    Parameters
    ----------
    path : path
    every : int
        Epochs from one to the next, at least 1; the last epoch's is always written.

    Examples
    --------
    >>> net.fit(x, y, epochs=100, callbacks=fw.Checkpoint("run.fw"), resume="run.fw")
    ... # doctest: +SKIP
    """

    def __init__(self, path: "str | os.PathLike[str]", every: int = 1) -> None:
        self.path = checks.path("path", path)
        self.every = checks.whole("every", every, 1)

    def on_train_begin(self, state: "TrainingState") -> None:
        if os.path.isdir(self.path):
            raise IsADirectoryError(
                errno.EISDIR, "expected the path of a file, found a folder", self.path
            )
        folder = os.path.dirname(os.path.realpath(self.path))
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"path: expected a folder that exists, found no {folder}")

    def _after_epoch(self, run: "Run") -> None:
        if run.cut:  # the epoch is to be had whole after resuming, from the checkpoint before
            return
        epoch = run.history.epoch[-1]
        if epoch % self.every == 0 or run.stopped or epoch >= run.plan.epochs:
            save(run, self.path)


def settings(run: "Run") -> dict[str, Any]:
    """Return what must be the same for a resumed run to have the bits of an undisturbed one."""
    plan, job = run.plan, run.job
    optimizer = dict(plan.optimizer.__getstate__())
    schedule = repr(optimizer.get("schedule"))
    optimizer["schedule"] = re.sub(r" at 0x[0-9a-fA-F]+", "", schedule)  # of a function
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
        "rows": None if job is None else job.n,
        "metrics": [m.name for m in plan.metrics],  # each has a list of the history
        "validation": run.validation is not None,
        "callbacks": [type(c).__name__ for c in plan.callbacks if hasattr(c, "state_dict")],
    }


def _keeping(schedule: "Schedule | None") -> dict[str, Any]:
    """Return what a schedule has observed."""
    found = {} if schedule is None else vars(schedule)
    return {k: v for k, v in found.items() if k.startswith("_")}


def save(run: "Run", path: str) -> None:
    """Write a run's state as of the end of an epoch."""
    plan, optimizer = run.plan, run.plan.optimizer
    tensors, header = files.describe(run.network)
    tensors |= optimizer._tensors()
    kept = []
    for i, c in enumerate(c for c in plan.callbacks if hasattr(c, "state_dict")):
        numbers = {}
        for name, value in c.state_dict().items():
            if isinstance(value, np.ndarray):
                tensors[f"callbacks.{i}.{name}"] = value
            else:
                numbers[name] = value
        kept.append(numbers)
    header["training"] = {
        "version": _VERSION,
        "key": str(plan.key),
        "first_epoch": plan.first_epoch,
        "steps": optimizer._steps,
        "epochs": optimizer._epochs,
        "schedule": {k: repr(v) for k, v in _keeping(optimizer.schedule).items()},
        "history": list(run.history.to_dict().items()),  # in their order
        "stopped": run.asked,
        "callbacks": kept,
        "settings": settings(run),
    }
    files.write(path, tensors, header)


def key_in(path: "str | os.PathLike[str]") -> int | None:
    """Return the generator's key in a checkpoint, or None where there is no file."""
    try:
        _, header = files.read(os.fspath(path))
    except FileNotFoundError:
        return None
    return int(_training(header, os.fspath(path))["key"])


def _training(header: dict[str, Any], name: str) -> dict[str, Any]:
    training = header.get("training")
    if not isinstance(training, dict) or training.get("version") != _VERSION:
        raise ValueError(f"resume: expected a file of Checkpoint's, found another in {name}")
    return training


def restore(run: "Run", path: "str | os.PathLike[str]", rng: Any) -> None:
    """Put a run into the state that a file holds; leave it as it is if there is no such file."""
    name, network = os.fspath(path), run.network
    try:
        tensors, header = files.read(name)
    except FileNotFoundError:
        return
    training = _training(header, name)
    _, ours = files.describe(network)
    for key, value in ours.items():
        found = header[key]
        if found != (list(value) if isinstance(value, tuple) else value):
            raise ValueError(f"resume: expected a network with {key}={value!r}, found {found!r}")
    for key, value in settings(run).items():
        found = training["settings"].get(key)
        if _plain(found) != _plain(value):
            raise ValueError(f"resume: expected {key} as before, {found!r}, found {value!r}")
    if rng is not None and int(training["key"]) != run.plan.key:
        raise ValueError("resume: expected the rng as before, or None, found another")
    plan, optimizer = run.plan, run.plan.optimizer
    for i in range(len(network.sizes) - 1):
        network.weights[i], network.biases[i] = tensors[f"weights.{i}"], tensors[f"biases.{i}"]
    plan.key, plan.first_epoch = int(training["key"]), training["first_epoch"]
    if rng is None:
        network._key = plan.key
    optimizer._restore(network, tensors)
    optimizer._steps, optimizer._epochs = training["steps"], training["epochs"]
    if optimizer.schedule is not None:
        for key, text in training["schedule"].items():
            setattr(optimizer.schedule, key, float(text) if key == "_best" else int(text))
    for key, values in training["history"]:
        setattr(run.history, key, values)
    for i, (c, numbers) in enumerate(
        zip(
            (c for c in plan.callbacks if hasattr(c, "state_dict")),
            training["callbacks"],
            strict=True,
        )
    ):
        start = f"callbacks.{i}."
        arrays = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
        run.kept.append((c, numbers | arrays))
    run.asked = training["stopped"]
    run.rebuild()


def _plain(value: Any) -> Any:
    """Return value with its tuples as lists: as JSON gives it back."""
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value

"""What is shown while a network is trained: a bar by tqdm, or a line for each epoch."""

import sys
from contextlib import suppress
from typing import Any, Literal

import numpy as np

from ..support.imports import ensure_imported
from ..support.terminal import watched, writable

_METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")
_TIMES = ("lr", "seconds", "images_per_second")
_NOT_WRITTEN = (Exception,)  # what a stream raises, or an object that stands for one


def _begun(**settings: Any) -> Any:
    """Return a bar, or where it can't be written one that shows nothing."""
    make = _tqdm()
    try:
        return make(**settings)
    except _NOT_WRITTEN:
        return make(**settings, disable=True)


def _tqdm() -> Any:
    """Return tqdm's bar for a notebook, or ours of text; also where ipywidgets are missing."""
    from importlib.util import find_spec

    if "ipykernel" in sys.modules and find_spec("ipywidgets") is not None:
        ensure_imported("tqdm.auto")
        from tqdm.auto import tqdm

        return tqdm
    ensure_imported(".training.bar")
    from .bar import TextBar

    return TextBar


def begin(progress: "bool | str | Shown", epochs: int, rows: int, done: int) -> "Shown":
    """Return what shows the progress of training, `done` epochs having been before."""
    if isinstance(progress, Shown):  # made before, as one of many
        progress.rows = rows
        return progress
    if not shown(progress):
        return Shown()
    return Lines(epochs) if progress == "lines" else Bar(epochs, rows, done)


class Shown:
    """What is shown of training: here nothing. `rows` are those of an epoch, 0 if unknown."""

    rows = 0

    def at(self, epoch: int, rows: int, values: dict[str, float]) -> None:
        """Show how far an epoch has come."""

    def end(self, epoch: int, rows: int, values: dict[str, float]) -> None:
        """Show what an epoch has brought that has ended, with all that the history notes."""
        self.at(epoch, rows, {name: values[name] for name in _METRICS if name in values})

    def close(self) -> None:
        """Show no more."""


class Bar(Shown):
    """A tqdm bar over all epochs' rows."""

    def __init__(self, epochs: int, rows: int, done: int) -> None:
        self._epochs, self.rows, self._done = epochs, rows, done * rows
        total = epochs * rows or None
        self._bar = _begun(
            total=total,
            initial=done * rows,
            unit=" rows",
            unit_scale=True,
            dynamic_ncols=True,
            leave=True,
        )

    def at(self, epoch: int, rows: int, values: dict[str, float]) -> None:
        now = (epoch - 1) * self.rows + rows if self.rows else rows
        self._bar.set_description(f"epoch {epoch}/{self._epochs}", refresh=False)
        if hasattr(self._bar, "values"):
            self._bar.values = values
        else:
            self._bar.set_postfix({k: f"{v:.4f}" for k, v in values.items()}, refresh=False)
        with suppress(*_NOT_WRITTEN):
            self._bar.update(now - self._done if self.rows else max(0, now - self._done))
        self._done = now

    def close(self) -> None:
        with suppress(*_NOT_WRITTEN):
            self._bar.close()


class Lines(Shown):
    """A plain line on stderr for each epoch, for logs and files."""

    def __init__(self, epochs: int, name: str = "") -> None:
        self._epochs, self._name, self._stream = epochs, name, sys.stderr

    def end(self, epoch: int, rows: int, values: dict[str, float]) -> None:
        names = [n for n in _METRICS if n in values]
        names += [n for n in values if n not in (*names, *_TIMES)]
        figures = ", ".join(f"{n}={values[n]:#.4g}" for n in (*names, "seconds"))
        line = f"{self._name}epoch {epoch}/{self._epochs}: {figures}\n"
        try:
            # at once: other threads write lines, too
            self._stream.write(line)
            self._stream.flush()
        except _NOT_WRITTEN:  # a log's disk is full, or it was closed: train on
            self.end = lambda *_: None  # type: ignore[method-assign]


class SharedBar:
    """One tqdm bar over the epochs of many runs, which threads may have at once."""

    def __init__(self, epochs: int) -> None:
        from threading import Lock

        self._bar, self._lock = _begun(total=epochs, unit="epoch", dynamic_ncols=True), Lock()

    def update(self, epochs: int) -> None:
        with self._lock, suppress(*_NOT_WRITTEN):
            self._bar.update(epochs)

    def close(self) -> None:
        with suppress(*_NOT_WRITTEN):
            self._bar.close()


class Part(Shown):
    """A run's part of a bar that is shared: its whole epochs."""

    def __init__(self, shared: SharedBar) -> None:
        self._shared, self._done = shared, 0

    def at(self, epoch: int, rows: int, values: dict[str, float]) -> None:
        whole = epoch if rows >= self.rows else epoch - 1
        self._shared.update(max(0, whole - self._done))
        self._done = max(self._done, whole)


def check_progress(progress: Any) -> bool | Literal["auto", "lines"]:
    """Return what is to be shown, or say what there is."""
    if isinstance(progress, (bool, np.bool_)):
        return bool(progress)
    if isinstance(progress, str) and progress in ("auto", "lines"):
        return "lines" if progress == "lines" else "auto"
    raise ValueError(f"progress: expected True, False, 'auto' or 'lines', found {progress!r}")


def shown(progress: bool | str) -> bool:
    """Is anything to be shown, and is there anything to show it on?"""
    return (progress in (True, "lines") and writable()) or (progress == "auto" and watched())

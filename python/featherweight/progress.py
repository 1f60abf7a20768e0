"""The bar that is shown while a network is trained, by tqdm."""

import os
import sys
from typing import Any, Literal

import numpy as np


def _tqdm() -> Any:
    """Return tqdm's bar for a notebook or a terminal; that of text where ipywidgets are missing."""
    from importlib.util import find_spec

    if find_spec("ipywidgets") is None:
        from tqdm.std import tqdm
    else:
        from tqdm.auto import tqdm
    return tqdm


class Bar:
    """A tqdm bar over all epochs' rows (unknown: `rows` is 0), or nothing."""

    def __init__(self, progress: bool | str, epochs: int, rows: int, done: int) -> None:
        self._bar: Any = None
        self._epochs, self.rows, self._done = epochs, rows, done * rows
        if shown(progress):
            tqdm = _tqdm()
            total = epochs * rows or None
            self._bar = tqdm(
                total=total, initial=done * rows, unit=" rows", unit_scale=True, leave=True
            )

    def at(self, epoch: int, rows: int, values: dict[str, float]) -> None:
        if self._bar is None:
            return
        now = (epoch - 1) * self.rows + rows if self.rows else rows
        self._bar.set_description(f"epoch {epoch}/{self._epochs}", refresh=False)
        self._bar.set_postfix({k: f"{v:.4f}" for k, v in values.items()}, refresh=False)
        self._bar.update(now - self._done if self.rows else max(0, now - self._done))
        self._done = now

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class Shared:
    """One tqdm bar over the epochs of many runs, which threads may have at once."""

    def __init__(self, epochs: int) -> None:
        from threading import Lock

        self._bar, self._lock = _tqdm()(total=epochs, unit="epoch"), Lock()

    def update(self, epochs: int) -> None:
        with self._lock:
            self._bar.update(epochs)

    def close(self) -> None:
        self._bar.close()


class Part(Bar):
    """A run's part of a bar that is shared: its whole epochs."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(False, 0, 0, 0)
        self._shared = shared

    def at(self, epoch: int, rows: int, values: dict[str, float]) -> None:
        whole = epoch if rows >= self.rows else epoch - 1
        self._shared.update(max(0, whole - self._done))
        self._done = max(self._done, whole)


def check_progress(progress: Any) -> bool | Literal["auto"]:
    """Return what a bar is to be shown by, or say what there is."""
    if isinstance(progress, (bool, np.bool_)):
        return bool(progress)
    if isinstance(progress, str) and progress == "auto":
        return "auto"
    raise ValueError(f"progress: expected True, False or 'auto', found {progress!r}")


def shown(progress: bool | str) -> bool:
    """Is a bar to be shown, and is there anything to show it on?"""
    return (progress is True and _writable()) or (progress == "auto" and watched())


def watched() -> bool:
    """Is a person watching: a terminal, or a notebook?"""
    if not _writable():
        return False
    if "ipykernel" in sys.modules:
        return True
    return hasattr(sys.stderr, "isatty") and bool(sys.stderr.isatty())


def _writable() -> bool:
    """Is there a stderr? A daemon or an application with windows has none, or a closed one."""
    stream: Any = sys.stderr
    if stream is None or getattr(stream, "closed", False):
        return False
    try:
        number = stream.fileno()
    except (AttributeError, OSError, ValueError):  # one that isn't a file, such as a log's
        return hasattr(stream, "write")
    try:
        os.fstat(number)
    except OSError:
        return False
    return True

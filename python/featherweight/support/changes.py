"""Arrays that were changed while in use: resized, or in a mapped file that became shorter."""

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# of an array and those that it is a view of: their shapes, and where in memory they begin
Place = tuple[tuple[tuple[int, ...], int], ...]


def place(a: NDArray[Any] | None) -> Place:
    """Return where an array is, to be compared later."""
    found = []
    while isinstance(a, np.ndarray):
        found.append((a.shape, a.__array_interface__["data"][0]))
        a = a.base
    return tuple(found)


def places(arrays: Iterable[NDArray[Any] | None]) -> list[Place]:
    """Return where arrays are."""
    return [place(a) for a in arrays]


def expect_place(name: str, a: NDArray[Any] | None, before: Place) -> None:
    """Refuse an array that was resized, by which memory may have been freed."""
    now = place(a)
    if now == before:
        return
    if now[0][0] != before[0][0]:
        expected, found = f"shape {before[0][0]}", str(now[0][0])
    else:
        expected, found = "an array that stays where it is in memory", "it moved"
    raise ValueError(
        f"{name}: expected {expected}, found {found}: the array was changed while in use"
    )


def expect_file(name: str, a: NDArray[Any] | None) -> None:
    """Refuse an array in a mapped file that has become shorter.

    The operating system would end a process that reads beyond its end.
    """
    while isinstance(a, np.ndarray) and not isinstance(a, np.memmap):
        a = a.base
    if not isinstance(a, np.memmap) or a.filename is None:
        return
    while isinstance(a.base, np.memmap):  # a part of the file, or a view of another shape
        a = a.base
    needed = a.offset + a.nbytes
    try:
        found = os.stat(str(a.filename)).st_size
    except OSError:  # removed, or of another name now: what is mapped is there still
        return
    if found < needed:
        raise ValueError(
            f"{name}: expected a file of at least {needed:,} bytes, found {found:,} in "
            f"{a.filename}: it was changed while in use"
        )

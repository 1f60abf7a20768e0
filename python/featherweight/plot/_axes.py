"""Axes to draw in, their lettering, and sheets of small images."""

from collections.abc import Sequence
from importlib import import_module
from textwrap import wrap
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..support import checks
from ..support.optional import need
from . import _colours

SIGNED = "cividis"
LEAST = 5.0  # points: smaller letters are not read
_FIGURE = 16.0  # inches: no figure is made wider or higher
_LEAST, _MOST = 1e-280, 1e300  # sizes of numbers beyond which matplotlib's scales fail
_WIDE, _HIGH = 0.62, 1.3  # of a character and of a line, in font sizes
_GAP, _SMALLEST = 0.08, 10.0  # of a sheet's images: between them, in widths; a width, in points


def axes(ax: Any, width: float, height: float, *, linear: bool = True) -> Any:
    """Return `ax`, or the Axes of a new figure of so many inches, at most 16 by 16.

    What is drawn on a grid needs axes that are linear.
    """
    if ax is not None:
        if getattr(ax, "name", None) != "rectilinear":  # nor those of three dimensions, or polar
            raise TypeError(f"ax: expected Axes of matplotlib or None, found {ax!r}")
        for which, scale in (("x", ax.get_xscale()), ("y", ax.get_yscale())):
            if linear and scale != "linear":
                raise ValueError(f"ax: expected linear scales, found {scale!r} of {which}")
        return ax
    pyplot = need("matplotlib.pyplot", "plot", "featherweight.plot")
    figsize = min(width, _FIGURE), min(height, _FIGURE)
    return pyplot.subplots(figsize=figsize, layout="constrained")[1]


def points(ax: Any) -> tuple[float, float]:
    """Return the axes' width and height in points, as they are before a layout moves them."""
    box, dpi = ax.get_window_extent(), ax.figure.dpi
    return 72 * box.width / dpi, 72 * box.height / dpi


def scale(ax: Any) -> float:
    """Return what to multiply letters by: 1 in axes of 4 inches, less in narrower ones."""
    return min(1.0, 0.4 + 0.6 * points(ax)[0] / (4 * 72))


def size(ax: Any, name: str = "font.size") -> float:
    """Return a font size of matplotlib's settings, in points, as it is to be in these axes."""
    rc, manager = (import_module(f"matplotlib{m}") for m in ("", ".font_manager"))
    wanted = manager.FontProperties(size=rc.rcParams[name]).get_size_in_points()
    return max(LEAST, float(wanted) * scale(ax))


def plain(text: str) -> str:
    """Return text as matplotlib is to be given it so that it reads no mathematics in it."""
    return text.replace("$", r"\$")


def label(ax: Any, title: str, xlabel: str = "", ylabel: str = "") -> None:
    """Letter the axes in sizes that suit them; a title wider than they are is broken evenly."""
    if title:
        big = size(ax, "axes.titlesize")
        room = max(12, int(points(ax)[0] / (0.55 * big)))
        lines = len(wrap(title, room))
        while lines > 1 and len(wrap(title, room - 1)) == lines:
            room -= 1
        ax.set_title("\n".join(wrap(title, room)), size=big)
    ax.set_xlabel(xlabel, size=size(ax, "axes.labelsize"))
    ax.set_ylabel(ylabel, size=size(ax, "axes.labelsize"))
    ax.tick_params(labelsize=size(ax, "xtick.labelsize"))
    _colours.suit(ax)


def whole_ticks(*of: Any) -> None:
    """Let an axis that counts have no ticks between whole numbers."""
    for axis in of:
        locator = import_module("matplotlib.ticker").MaxNLocator
        axis.set_major_locator(locator("auto", integer=True, min_n_ticks=1))


def bar(ax: Any, drawn: Any, text: str, extend: str = "neither") -> None:
    """Put a colour bar beside the axes, with arrows where values lie beyond its ends."""
    letters, ticks = size(ax, "axes.labelsize"), size(ax, "ytick.labelsize")
    beside = ax.figure.colorbar(drawn, ax=ax, shrink=0.8, extend=extend)
    beside.set_label(text, size=letters)
    beside.ax.tick_params(labelsize=ticks)
    _colours.suit(beside.ax)


def image_shape(inputs: int, shape: tuple[int, int] | None) -> tuple[int, int]:
    """Return the (rows, columns) in which inputs are an image: a square if nothing is said."""
    if shape is None:
        found = [round(inputs**0.5)] * 2
    elif isinstance(shape, Sequence) and not isinstance(shape, str) and len(shape) == 2:
        found = [checks.whole("shape", n, 1) for n in shape]
    else:
        raise TypeError(
            f"shape: expected (rows, columns) of {checks.counted(inputs, 'pixel')}, found {shape!r}"
        )
    if found[0] * found[1] != inputs:
        raise ValueError(
            f"shape: expected (rows, columns) of {checks.counted(inputs, 'pixel')}, "
            f"found {'none, and no square' if shape is None else shape}"
        )
    return found[0], found[1]


def several(name: str, value: object, low: int, high: int) -> list[int]:
    """Return a sequence of at least one whole number from low to high as a list."""
    if not isinstance(value, (Sequence, np.ndarray)) or isinstance(value, str):
        raise TypeError(
            f"{name}: expected a sequence of whole numbers, found {checks.brief(value)}"
        )
    if not len(value):
        raise ValueError(f"{name}: expected at least one, found none")
    return [checks.whole(name, n, low, high) for n in value]


def class_names(names: Sequence[str] | None, classes: int) -> list[str]:
    """Return the classes' names, by default their numbers."""
    if names is None:
        return [str(i) for i in range(classes)]
    if isinstance(names, str) or not isinstance(names, (Sequence, np.ndarray)):
        raise TypeError(
            f"names: expected a sequence of {checks.counted(classes, 'name')}, found {names!r}"
        )
    if len(names) != classes:
        raise ValueError(f"names: expected {classes}, one for each class, found {len(names)}")
    return [str(n) for n in names]


def fitting(
    ax: Any, images: NDArray[Any], captions: Sequence[str], columns: int | None, share: float
) -> tuple[int, int, float, float]:
    """Find room for a sheet in axes of whose width a share is to be had.

    Captions are as large as they can be, up to 8 points, and no smaller than `LEAST`: rather than
    that there are fewer columns than asked for, and the last images are left out.

    Returns
    -------
    tuple
        How many of the images go in, in how many columns, the captions' size in points, and their
        height in rows of pixels.
    """
    n, height, width = images.shape
    wide, high = share * points(ax)[0], 0.9 * points(ax)[1]
    lines = max(c.count("\n") + 1 for c in captions)
    letters = max(len(line) for c in captions for line in c.split("\n"))

    def least(font: float) -> float:  # an image's width in points
        return max(_SMALLEST, _WIDE * font * letters / (1 + _GAP))

    def room(font: float) -> tuple[int, int]:
        w = least(font)
        return (
            max(1, int((wide / w + _GAP) / (1 + _GAP))),
            max(1, int(high / (w * height / width + _HIGH * font * lines))),
        )

    across, down = room(LEAST)
    n = min(n, across * down if columns is None else min(columns, across) * down)
    for font in np.arange(max(LEAST, 8 * scale(ax)), LEAST - 0.01, -0.25):
        caption = _HIGH * font * lines
        tried = range(1, min(n, across) + 1) if columns is None else [min(columns, n, across)]
        found, c = max(
            (min(wide / (c + _GAP * (c - 1)), (high / -(-n // c) - caption) * width / height), c)
            for c in tried
        )
        if found >= least(font):
            break
    return n, c, float(font), caption / max(found, _SMALLEST) * width


def sheet(
    ax: Any,
    images: NDArray[Any],
    captions: Sequence[str],
    columns: int | None,
    share: float,
    **options: Any,
) -> list[Any]:
    """Draw as many images (n, rows, columns) as there is room for, with captions above."""
    n, columns, font, top = fitting(ax, images, captions, columns, share)
    height, width = images.shape[1:]
    step, rows = width * (1 + _GAP), -(-n // columns)
    drawn = []
    for i in range(n):
        x, y = i % columns * step, i // columns * (height + top)
        extent = (x, x + width, y + height, y)
        drawn.append(ax.imshow(images[i], extent=extent, interpolation="nearest", **options))
        ax.text(
            x + width / 2, y - 0.04 * height, plain(captions[i]),
            ha="center", va="bottom", size=font, linespacing=1.05, color=_colours.text(ax),
        )  # fmt: skip
    ax.set(xlim=(0, columns * step - _GAP * width), ylim=(rows * (height + top) - top, -top))
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.spines[:].set_visible(False)
    return drawn


def drawable(name: str, values: ArrayLike, where: str = "") -> NDArray[Any]:
    """Return finite numbers that a scale of colours can show: 0 where all are too small."""
    found: NDArray[Any] = checks.finite(name, np.asarray(values), where)
    most = float(np.abs(found).max(initial=0.0))
    if most > _MOST:
        raise ValueError(
            f"{name}: expected sizes up to {_MOST:g} to draw them, found {most:g}{where}"
        )
    # matplotlib up to 3.9 divides by their range
    return found if most > _LEAST else np.zeros_like(found)


def largest(values: ArrayLike) -> float:
    """Return the largest size, where a scale ends; 1 if all are 0, or too small to be shown."""
    most = float(np.abs(values).max(initial=0.0))
    return most if most > _LEAST else 1.0


def symmetric(end: float) -> dict[str, Any]:
    """Return imshow's arguments for signed numbers: one scale, the same on both sides of 0."""
    return {"cmap": SIGNED, "vmin": -end, "vmax": end}

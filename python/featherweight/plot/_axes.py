"""Axes to draw in, and sheets of small images."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNED = "cividis"


def axes(ax: Any, width: float, height: float) -> Any:
    """Return `ax`, or the Axes of a new figure of so many inches."""
    if ax is not None:
        if not hasattr(ax, "imshow"):
            raise TypeError(f"ax: expected Axes of matplotlib or None, found {ax!r}")
        return ax
    try:
        pyplot = import_module("matplotlib.pyplot")
    except ImportError:
        raise ImportError(
            "featherweight.plot needs matplotlib, which is not installed: "
            "pip install 'featherweight[plot]'"
        ) from None
    return pyplot.subplots(figsize=(width, height), layout="constrained")[1]


def image_shape(inputs: int, shape: tuple[int, int] | None) -> tuple[int, int]:
    """Return the (rows, columns) in which inputs are an image: a square if nothing is said."""
    side = round(inputs**0.5)
    found = (side, side) if shape is None else tuple(shape)
    if len(found) != 2 or found[0] * found[1] != inputs:
        raise ValueError(
            f"shape: expected (rows, columns) of {inputs} pixels, "
            f"found {'none, and no square' if shape is None else shape}"
        )
    return found[0], found[1]


def sheet(
    ax: Any, images: NDArray[Any], columns: int, captions: Sequence[str], **options: Any
) -> Any:
    """Draw images (n, rows, columns) side by side with captions above; return the mosaic."""
    n, height, width = images.shape
    columns = max(1, min(columns, n))
    rows, top = -(-n // columns), 0.28 * height  # room for a caption
    for i in range(n):
        x, y = i % columns * width * 1.08, i // columns * (height + top)
        extent = (x, x + width, y + height, y)
        drawn = ax.imshow(images[i], extent=extent, interpolation="nearest", **options)
        ax.text(x + width / 2, y - 0.04 * height, captions[i], ha="center", va="bottom", size=8)
    ax.set(
        xlim=(0, columns * width * 1.08 - 0.08 * width), ylim=(rows * (height + top) - top, -top)
    )
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.spines[:].set_visible(False)
    return drawn


def symmetric(values: NDArray[Any]) -> dict[str, Any]:
    """Return imshow's arguments for signed numbers: one scale, the same on both sides of 0."""
    most = float(np.abs(values).max(initial=0.0)) or 1.0
    return {"cmap": SIGNED, "vmin": -most, "vmax": most}


def bar(ax: Any, drawn: Any, label: str) -> None:
    """Put a colour bar beside the axes."""
    ax.figure.colorbar(drawn, ax=ax, label=label, shrink=0.8)

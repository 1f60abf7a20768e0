"""Colours that stand out from what they are drawn on: the axes, or the figure around them."""

from importlib import import_module
from typing import Any

import numpy as np

_LETTERS, LINES = 2.5, 2.0  # the least contrast that is kept, of at most 21
_SEEN = 0.5  # of opacity: less of it doesn't tell what the colour behind is

Paper = tuple[float, float, float] | None  # None: transparent, and so not known


def inside(ax: Any) -> Paper:
    """Return the colour behind what is drawn in the axes."""
    found = [_of(part) for part in _figures(ax)]
    if ax.axison and ax.get_frame_on():
        found.insert(0, _of(_seen(ax)))
    return _over(found)


def outside(ax: Any) -> Paper:
    """Return the colour of the figure, on which titles and labels are."""
    return _over([_of(part) for part in _figures(ax)])


def contrast(colour: Any, paper: Paper) -> float:
    """Return the contrast of two colours, from 1 to 21, by the rules for web content (WCAG 2)."""
    if paper is None:
        return 21.0
    high, low = sorted((_luminance(_rgba(colour)[:3]), _luminance(paper)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def readable(colour: Any, paper: Paper, least: float = _LETTERS) -> Any:
    """Return the colour if it stands out from the paper, else black or white, which does."""
    if contrast(colour, paper) >= least:
        return colour
    return max("k", "w", key=lambda c: contrast(c, paper))


def text(ax: Any) -> Any:
    """Return the colour of letters and lines within the axes: the style's, if it stands out."""
    style = import_module("matplotlib").rcParams["axes.labelcolor"]
    return readable(style, inside(ax))


def suit(ax: Any) -> None:
    """Have the title, labels, ticks and edges of axes stand out from the figure."""
    paper = outside(ax)
    for letters in (ax.title, ax.xaxis.label, ax.yaxis.label):
        letters.set_color(readable(letters.get_color(), paper))
    for axis in (ax.xaxis, ax.yaxis):
        (tick,) = axis.get_major_ticks(1)[:1]
        for shown, name in ((tick.tick1line, "color"), (tick.label1, "labelcolor")):
            axis.set_tick_params(which="both", **{name: readable(shown.get_color(), paper)})
    for edge in ax.spines.values():
        edge.set_edgecolor(readable(edge.get_edgecolor(), paper))


def _rgba(colour: Any) -> tuple[float, float, float, float]:
    found: tuple[float, float, float, float] = import_module("matplotlib.colors").to_rgba(colour)
    return found


def _luminance(rgb: tuple[float, ...]) -> float:
    a = np.array(rgb)
    linear = np.where(a <= 0.03928, a / 12.92, ((a + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _figures(ax: Any) -> list[Any]:
    """Return the figure, and those that it is a part of."""
    found = [ax.figure]
    while (more := getattr(found[-1], "_parent", None)) is not None:
        found.append(more)
    return found


def _seen(ax: Any) -> Any:
    """Return the axes whose background is seen: of twins, the first one's."""
    if ax.patch.get_visible():
        return ax
    place = ax.get_position().bounds
    twins = (o for o in ax.figure.axes if o.get_position().bounds == place)
    return next((o for o in twins if o.patch.get_visible()), ax)


def _of(part: Any) -> tuple[float, float, float, float]:
    return _rgba(part.patch.get_facecolor()) if part.patch.get_visible() else (0.0, 0.0, 0.0, 0.0)


def _over(parts: list[tuple[float, float, float, float]]) -> Paper:
    """Return what is seen of colours of which the first is on top."""
    seen, left = np.zeros(3), 1.0
    for *rgb, alpha in parts:
        seen += left * alpha * np.array(rgb)
        left *= 1 - alpha
    if 1 - left < _SEEN:
        return None
    r, g, b = (float(v) for v in seen / (1 - left))
    return r, g, b

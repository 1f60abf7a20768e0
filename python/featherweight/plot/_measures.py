"""How training went, and what is taken for what."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..support.hints import named
from ..training.history import History
from . import _colours
from ._axes import (
    LEAST,
    axes,
    bar,
    class_names,
    label,
    plain,
    points,
    size,
    whole_ticks,
)
from ._images import answers

if TYPE_CHECKING:
    from ..network import Network

# Okabe and Ito's colours, which the colour-blind can tell apart, after that of the text
_TEXT = "text"
_COLOURS = (_TEXT, "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKS = ("o", "s", "^", "D", "v", "x")  # one fewer, so that 42 runs differ
_LOOKS = [(_COLOURS[i % len(_COLOURS)], _MARKS[i % len(_MARKS)]) for i in range(42)]
_Look = tuple[str, str]  # a colour and a mark
_KINDS = {"-": "training", "--": "validation"}
_ENTRY, _WIDE, _ROW = 4.2, 0.62, 1.4  # of a key, in its letters: a mark, a character, a row


@named
def learning_curves(
    histories: History | Mapping[str, History] | Iterable[History],
    measure: str = "loss",
    *,
    ax: Any = None,
) -> Any:
    """Draw a measure over the epochs, of one run or of several on one plot.

    The key names each run once, those of earlier calls on the same axes, too, beside which others
    have colours and marks of their own. Of more runs than it has room for in letters of 5 points it
    names some, and says how many; names wider than the axes are cut.

    Parameters
    ----------
    histories : History, or dict or sequence of these
        A dict's keys name the runs, in plain letters: a ``$`` is a ``$``.
    measure : str
        A list of the history; beside it that of the validation data, dashed, if there is one.
        With ``val_`` before it, that of the validation data alone.
    ax : Axes, optional
        To draw in; by default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        For what is no history, or a measure that none of them has.
    ImportError
        Without matplotlib.
    """
    runs = _runs(histories)
    if not isinstance(measure, str):
        raise TypeError(f"measure: expected a list's name, found {measure!r}")
    wanted = {measure: "-", f"val_{measure}": "--"}
    if measure.startswith("val_"):
        wanted = {measure: "--"}
    if not any(h[n] for h in runs.values() for n in wanted if n in h.names):
        raise ValueError(f"measure: expected one that a history has, found {measure!r}")
    ax = axes(ax, 5, 3.2, linear=False)
    taken = Counter(map(_look, ax.lines))
    seen = [look for look in _LOOKS if _stands_out(ax, look[0])]
    looks = cycle(sorted(seen, key=lambda look: taken[look]))  # those that are free first
    for (name, h), (colour, mark) in zip(runs.items(), looks, strict=False):
        for listed, dashes in wanted.items():
            values = h[listed] if listed in h.names else []
            if values:
                kind = _KINDS[dashes]
                ax.plot(
                    h.epoch, values, dashes, label=plain(f"{name}, {kind}" if name else kind),
                    color=_shown(ax, colour), marker=mark, markevery=max(1, len(h.epoch) // 8),
                    markersize=0.4 * size(ax),
                )  # fmt: skip
    units = {"lr": "learning rate", "seconds": "time of an epoch (s)"}
    of = measure.removeprefix("val_")
    label(ax, "", "epoch", units.get(of, plain(of.replace("_", " "))))
    whole_ticks(ax.xaxis)
    _key(ax)
    return ax


@named
def confusion_matrix(
    network: Network,
    x: ArrayLike,
    labels: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    ax: Any = None,
) -> Any:
    """Draw how many rows of each class were read as each class.

    Shades leave out the diagonal, beside which mistakes would not be seen. In axes too small for
    numbers of 5 points there are shades alone, and of the classes' names those that have room.

    Parameters
    ----------
    network : Network
        With a softmax output.
    x : (rows, inputs) array
        Of any real dtype, at least one row.
    labels : (rows,) array of int
        From 0 to the number of outputs less 1.
    names : sequence of str, optional
        The classes' names, by default their numbers; a ``$`` is a ``$``.
    ax : Axes, optional
        To draw in; by default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        For another kind of network, rows, labels or names that don't fit, or outputs that are not
        finite.
    ImportError
        Without matplotlib.
    """
    y, truth = answers(network, x, labels)
    n = y.shape[1]
    name = class_names(names, n)
    counts = np.bincount(truth * n + y.argmax(axis=1), minlength=n * n).reshape(n, n)
    shown = counts.astype(float)
    np.fill_diagonal(shown, np.nan)
    top = float(np.nan_to_num(shown).max())
    ax = axes(ax, 1.5 + 0.42 * n, 0.9 + 0.42 * n)
    right = counts.trace() / counts.sum()
    label(ax, f"{right:.1%} of {counts.sum():,} read rightly", "read as", "is")
    drawn = ax.imshow(shown, cmap="gray_r", vmin=0, vmax=top or 1)
    cell = 0.8 * min(points(ax)) / n
    letters = min(8.0, cell / (0.75 * len(str(counts.max()))))  # those on the diagonal are bold
    for i, j in np.argwhere(counts) if letters >= LEAST else ():
        on_shade = "w" if counts[i, j] > top / 2 else "k"
        ax.text(
            j, i, counts[i, j], ha="center", va="center", size=letters,
            color=_colours.text(ax) if i == j else on_shade,  # the diagonal is as the axes are
            weight="bold" if i == j else "normal",
        )  # fmt: skip
    ticks = size(ax, "xtick.labelsize")
    turned = max(map(len, name)) * 0.62 * ticks > cell
    named = range(0, n, max(1, math.ceil(1.1 * ticks / cell)))
    texts = [plain(name[i]) for i in named]
    ax.set_xticks(named, texts, rotation=90 if turned else 0, size=ticks)
    ax.set_yticks(named, texts, size=ticks)
    bar(ax, drawn, "misread (rows)")
    return ax


def _shown(ax: Any, colour: str) -> Any:
    if colour == _TEXT:
        return _colours.text(ax)
    return _colours.readable(colour, _colours.inside(ax), _colours.LINES)


def _stands_out(ax: Any, colour: str) -> bool:
    return colour == _TEXT or _colours.contrast(colour, _colours.inside(ax)) >= _colours.LINES


def _look(line: Any) -> _Look:
    colours = import_module("matplotlib.colors")
    colour = colours.to_hex(line.get_color()).upper()
    text = colours.to_hex(_colours.text(line.axes)).upper()
    return _TEXT if colour == text else colour, str(line.get_marker())


def _drawn(ax: Any) -> tuple[dict[tuple[str, _Look], set[str]], list[Any]]:
    """Read off axes which runs they show, by name and look, in which dashes; and what else."""
    runs: dict[tuple[str, _Look], set[str]] = {}
    others = ax.get_legend_handles_labels()[0]
    for line in ax.lines:
        look, dashes, text = _look(line), line.get_linestyle(), str(line.get_label())
        kind = _KINDS.get(dashes)
        if kind and look in _LOOKS and text.endswith(kind):
            name = text.removesuffix(kind).removesuffix(", ").replace(r"\$", "$")
            runs.setdefault((name, look), set()).add(dashes)
            others = [handle for handle in others if handle is not line]
    return runs, others


def _key(ax: Any) -> None:
    """Name each run, say what is dashed, and keep what others had drawn with a name before."""
    make = import_module("matplotlib.lines").Line2D
    runs, said = _drawn(ax)
    named = [(name, look, dashes) for (name, look), dashes in runs.items() if name]
    for style, kind in _KINDS.items():
        if any(style in dashes for dashes in runs.values()):
            unnamed = [look for (n, look), dashes in runs.items() if not n and style in dashes]
            for colour, mark in unnamed or [("0.5", "None")]:
                colour = _shown(ax, colour)
                said.append(make([], [], ls=style, label=kind, color=colour, marker=mark))
    wide, high = (0.9 * n for n in points(ax))

    def room(letters: float, longest: int) -> tuple[int, int]:  # rows and columns
        across = (wide / letters - 1) / (_ENTRY + _WIDE * longest)
        return max(1, int((0.6 * high / letters - 1) / _ROW)), int(across)

    def shorten(name: str) -> str:
        return name if len(name) <= longest else name[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"

    widest = max(10, int((wide / LEAST - 1 - _ENTRY) / _WIDE))
    longest = min(widest, max(map(len, (*(name for name, *_ in named), *_KINDS.values()))))
    wanted = len(named) + len(said)
    fonts = np.arange(size(ax, "legend.fontsize"), LEAST, -0.25)
    letters = next((float(f) for f in fonts if math.prod(room(f, longest)) >= wanted), LEAST)
    rows, across = room(letters, longest)
    places = rows * max(1, across) - len(said)
    if len(named) > max(places, 1):  # spread over all of them; one place is for the note
        chosen = np.unique(np.linspace(0, len(named) - 1, max(1, places - 1)).astype(int))
        said.append(make([], [], ls="", label=f"({len(chosen)} of {len(named)})"))
        named = [named[i] for i in chosen]
    handles = [
        make(
            [], [], color=_shown(ax, colour), marker=mark, markersize=0.4 * letters,
            ls=min(dashes, key=len), label=plain(shorten(name)),
        )
        for name, (colour, mark), dashes in named
    ] + said  # fmt: skip
    key = ax.legend(
        handles=handles, fontsize=letters, facecolor=_colours.inside(ax) or "inherit",
        labelcolor=_colours.text(ax), ncols=-(-len(handles) // rows),
        labelspacing=0.3, columnspacing=1.0,
    )  # fmt: skip
    key.set_in_layout(False)  # else the layout takes a large one's height from the axes


def _runs(histories: object) -> dict[str, History]:
    """Return the runs by their names."""
    if isinstance(histories, History):
        return {"": histories}
    if isinstance(histories, Mapping):
        runs = {str(k): h for k, h in histories.items()}
    elif isinstance(histories, Iterable) and not isinstance(histories, str):
        runs = {f"run {i}": h for i, h in enumerate(histories, 1)}
    else:
        raise TypeError(
            f"histories: expected a History, or a dict or sequence of these, found {histories!r}"
        )
    for name, h in runs.items():
        if not isinstance(h, History):
            raise TypeError(f"histories: expected a History as {name!r}, found {h!r}")
    if not runs:
        raise ValueError("histories: expected at least one, found none")
    return runs

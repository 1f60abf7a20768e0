"""How training went, and what is taken for what."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..history import History
from ._axes import LEAST, axes, bar, class_names, label, points, size, whole_ticks
from ._images import answers

if TYPE_CHECKING:
    from ..network import Network

# Okabe and Ito's colours, which the colour-blind can tell apart, the darkest first
_COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKS = ("o", "s", "^", "D", "v", "x")  # one fewer, so that 42 runs differ


def learning_curves(
    histories: History | Mapping[str, History] | Iterable[History],
    measure: str = "loss",
    *,
    ax: Any = None,
) -> Any:
    """Draw a measure over the epochs, of one run or of several on one plot.

    Parameters
    ----------
    histories : History, or dict or sequence of these
        A dict's keys name the runs.
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
    ax = axes(ax, 5, 3.2)
    for i, (name, h) in enumerate(runs.items()):
        for listed, dashes in wanted.items():
            values = h[listed] if listed in h.names else []
            if values:
                kind = "validation" if listed.startswith("val_") else "training"
                ax.plot(
                    h.epoch, values, dashes, label=f"{name}, {kind}" if name else kind,
                    color=_COLOURS[i % len(_COLOURS)], marker=_MARKS[i % len(_MARKS)],
                    markevery=max(1, len(h.epoch) // 8), markersize=0.4 * size(ax),
                )  # fmt: skip
    units = {"lr": "learning rate", "seconds": "time of an epoch (s)"}
    plain = measure.removeprefix("val_")
    label(ax, "", "epoch", units.get(plain, plain.replace("_", " ")))
    whole_ticks(ax.xaxis)
    ax.legend(fontsize=size(ax, "legend.fontsize"))
    return ax


def confusion_matrix(
    network: "Network",
    x: ArrayLike,
    labels: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    ax: Any = None,
) -> Any:
    """Draw how many rows of each class were read as each class.

    Shades leave out the diagonal, beside which mistakes would not be seen. In axes too small for
    numbers of 5 points there are shades alone.

    Parameters
    ----------
    network : Network
        With a softmax output.
    x : (rows, inputs) array
        Of any real dtype, at least one row.
    labels : (rows,) array of int
        From 0 to the number of outputs less 1.
    names : sequence of str, optional
        The classes' names, by default their numbers.
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
    for i, j in np.ndindex(n, n):
        if counts[i, j] and letters >= LEAST:
            ax.text(
                j, i, counts[i, j], ha="center", va="center", size=letters,
                color="w" if i != j and counts[i, j] > top / 2 else "k",
                weight="bold" if i == j else "normal",
            )  # fmt: skip
    ticks = size(ax, "xtick.labelsize")
    turned = max(map(len, name)) * 0.62 * ticks > cell
    ax.set_xticks(range(n), name, rotation=90 if turned else 0, size=ticks)
    ax.set_yticks(range(n), name, size=ticks)
    bar(ax, drawn, "misread (rows)")
    return ax


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

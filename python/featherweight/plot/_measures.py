"""How training went, and what is taken for what."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..history import History
from ._axes import axes, bar
from ._images import _answers

if TYPE_CHECKING:
    from ..network import Network

# Okabe and Ito's colours, which the colour-blind can tell apart, the darkest first
_COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKS = ("", "o", "s", "^", "D", "v", "x")


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
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        For what is no history, or a measure that none of them has.
    """
    if isinstance(histories, History):
        runs = {"": histories}
    elif isinstance(histories, Mapping):
        runs = {str(k): h for k, h in histories.items()}
    else:
        runs = {f"run {i}": h for i, h in enumerate(histories, 1)}
    for name, h in runs.items():
        if not isinstance(h, History):
            raise TypeError(f"histories: expected a History as {name!r}, found {h!r}")
    measure = measure.removeprefix("val_")
    if not any(h[n] for h in runs.values() for n in (measure, f"val_{measure}") if n in h.names):
        raise ValueError(f"measure: expected one that a history has, found {measure!r}")
    ax = axes(ax, 5, 3.2)
    for i, (name, h) in enumerate(runs.items()):
        style = {
            "color": _COLOURS[i % len(_COLOURS)],
            "marker": _MARKS[i % len(_MARKS)],
            "markevery": max(1, len(h.epoch) // 8),
            "markersize": 4,
        }
        for prefix, dashes, kind in (("", "-", "training"), ("val_", "--", "validation")):
            values = h[prefix + measure] if prefix + measure in h.names else []
            if values:
                label = f"{name}, {kind}" if name else kind
                ax.plot(h.epoch, values, dashes, label=label, **style)
    units = {"lr": "learning rate", "seconds": "time of an epoch (s)"}
    ax.set(xlabel="epoch", ylabel=units.get(measure, measure.replace("_", " ")))
    ax.legend()
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

    Shades leave out the diagonal, beside which mistakes would not be seen.

    Parameters
    ----------
    network : Network
        With a softmax output.
    x : (rows, inputs) array
    labels : (rows,) array of int
    names : sequence of str, optional
        The classes' names, by default their numbers.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    y, truth = _answers(network, x, labels)
    n = y.shape[1]
    counts = np.bincount(truth * n + y.argmax(axis=1), minlength=n * n).reshape(n, n)
    shown = counts.astype(float)
    np.fill_diagonal(shown, np.nan)
    top = float(np.nan_to_num(shown).max())
    ax = axes(ax, 1.5 + 0.42 * n, 0.9 + 0.42 * n)
    drawn = ax.imshow(shown, cmap="gray_r", vmin=0, vmax=top or 1)
    for i, j in np.ndindex(n, n):
        dark = i != j and counts[i, j] > top / 2
        if counts[i, j]:
            weight = "bold" if i == j else "normal"
            colour = "w" if dark else "k"
            ax.text(
                j, i, counts[i, j], ha="center", va="center", size=7, color=colour, weight=weight
            )
    name = [str(i) for i in range(n)] if names is None else list(names)
    ax.set_xticks(range(n), name)
    ax.set_yticks(range(n), name)
    right = counts.trace() / max(1, counts.sum())
    ax.set(xlabel="read as", ylabel="is", title=f"{right:.1%} of {counts.sum():,} read rightly")
    bar(ax, drawn, "misread (rows)")
    return ax

"""What neurons look for, what they say to images, and which images are misread."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks, looking
from ._axes import axes, bar, image_shape, sheet, symmetric

if TYPE_CHECKING:
    from ..network import Network


def weights(
    network: "Network",
    layer: int = 0,
    *,
    neurons: Sequence[int] | None = None,
    shape: tuple[int, int] | None = None,
    columns: int = 8,
    ax: Any = None,
) -> Any:
    """Draw what a layer's neurons look for: their weights as images, on one scale.

    Parameters
    ----------
    network : Network
    layer : int
        The first hidden layer is 0; counted from the last if negative.
    neurons : sequence of int, optional
        Which of them; all by default, of more than 64 the first 64.
    shape : (rows, columns), optional
        Of an image; by default the layer's inputs are a square.
    columns : int
        Images side by side.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    ValueError, TypeError
        For layers, neurons or shapes that there are not.
    """
    layers = len(network.sizes) - 1
    layer = checks.whole("layer", layer, -layers, layers - 1) % layers
    all_of_them = network.weights[layer]
    size = len(all_of_them)
    chosen = range(min(size, 64)) if neurons is None else neurons
    chosen = [checks.whole("neurons", j, 0, size - 1) for j in chosen]
    if not chosen:
        raise ValueError("neurons: expected at least one, found none")
    images = all_of_them[chosen].reshape(len(chosen), *image_shape(network.sizes[layer], shape))
    columns = min(checks.whole("columns", columns, 1), len(chosen))
    ax = axes(ax, 1.1 * columns + 1.2, 1.35 * -(-len(chosen) // columns) + 0.5)
    drawn = sheet(ax, images, columns, [str(j) for j in chosen], **symmetric(all_of_them[chosen]))
    ax.set_title(f"what the neurons of layer {layer + 1} look for")
    bar(ax, drawn, "weight")
    return ax


def activations(network: "Network", x: ArrayLike, layer: int = 0, *, ax: Any = None) -> Any:
    """Draw all activations of a layer over a set of images.

    Parameters
    ----------
    network : Network
    x : (rows, inputs) array
    layer : int
        The first hidden layer is 0; counted from the last if negative.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    layers = len(network.sizes) - 1
    layer = checks.whole("layer", layer, -layers, layers - 1) % layers
    if np.ndim(x) != 2:
        raise ValueError(f"x: expected shape (rows, {network.sizes[0]}), found {np.shape(x)}")
    found = network.activations(x)[layer + 1]
    ax = axes(ax, 7, 1.2 + 3 * min(1.0, found.shape[1] / 24))
    signed = bool((found < 0).any())
    options = symmetric(found) if signed else {"cmap": "gray_r", "vmin": 0}
    drawn = ax.imshow(found.T, aspect="auto", interpolation="nearest", **options)
    name = (*network.activation, network.output)[layer]
    ax.set(xlabel="image", ylabel="neuron", title=f"layer {layer + 1}, {name}")
    bar(ax, drawn, "activation")
    return ax


def misread(
    network: "Network",
    x: ArrayLike,
    labels: ArrayLike,
    *,
    most: int = 24,
    names: Sequence[str] | None = None,
    shape: tuple[int, int] | None = None,
    columns: int = 8,
    ax: Any = None,
) -> Any:
    """Draw misread images, the surest first, with what was read, how surely, and what was there.

    Parameters
    ----------
    network : Network
        With a softmax output.
    x : (rows, inputs) array
    labels : (rows,) array of int
    most : int
        How many images, at least 1.
    names : sequence of str, optional
        The classes' names, by default their numbers.
    shape, columns, ax
        As in `weights`.

    Returns
    -------
    Axes
    """
    y, truth = _answers(network, x, labels)
    read, sure = y.argmax(axis=1), y.max(axis=1)
    wrong = np.flatnonzero(read != truth)
    wrong = wrong[np.argsort(-sure[wrong], kind="stable")][: checks.whole("most", most, 1)]
    columns = max(1, min(checks.whole("columns", columns, 1), len(wrong)))
    ax = axes(ax, 1.2 * columns + 0.2, 1.4 * max(1, -(-len(wrong) // columns)) + 0.4)
    name = [str(i) for i in range(y.shape[1])] if names is None else list(names)
    ax.set_title(f"{np.sum(read != truth):,} of {len(truth):,} misread", pad=14)
    if not len(wrong):
        ax.set_axis_off()
        return ax
    images = np.asarray(x)[wrong].reshape(len(wrong), *image_shape(network.sizes[0], shape))
    captions = [f"{name[read[i]]} ({sure[i]:.0%}), is {name[truth[i]]}" for i in wrong]
    sheet(ax, images, columns, captions, cmap="gray_r")
    return ax


def excite(
    network: "Network",
    layer: int,
    neuron: int,
    *,
    shape: tuple[int, int] | None = None,
    ax: Any = None,
    **settings: Any,
) -> Any:
    """Draw the input that most excites a neuron; `settings` are those of `looking.excite`.

    Returns
    -------
    Axes
    """
    found = looking.excite(network, layer, neuron, **settings)
    rows, columns = image_shape(network.sizes[0], shape)
    ax = axes(ax, 3.6, 3)
    drawn = ax.imshow(found.reshape(rows, columns), cmap="gray_r", interpolation="nearest")
    which = (layer % (len(network.sizes) - 1)) + 1
    ax.set(title=f"excites neuron {neuron} of layer {which}", xticks=[], yticks=[])
    bar(ax, drawn, "input")
    return ax


def saliency(
    network: "Network",
    x: ArrayLike,
    target: int | None = None,
    *,
    shape: tuple[int, int] | None = None,
    ax: Any = None,
) -> Any:
    """Draw which pixels an answer rests on: the score's gradient with respect to the input.

    Parameters
    ----------
    network : Network
    x : (inputs,) array
        Its outline is drawn, too.
    target : int, optional
        The output, by default the largest.
    shape, ax
        As in `weights`.

    Returns
    -------
    Axes
    """
    a = np.asarray(x)
    if a.ndim != 1:
        raise ValueError(f"x: expected one input of shape ({network.sizes[0]},), found {a.shape}")
    found = looking.saliency(network, a, target)
    rows, columns = image_shape(network.sizes[0], shape)
    ax = axes(ax, 4, 3.2)
    drawn = ax.imshow(found.reshape(rows, columns), interpolation="nearest", **symmetric(found))
    middle = (float(a.min()) + float(a.max())) / 2
    if a.min() < a.max():
        ax.contour(a.reshape(rows, columns), levels=[middle], colors="k", linewidths=1)
    answer = int(network(a).argmax()) if target is None else target
    ax.set(title=f"what speaks for {answer} (light) and against", xticks=[], yticks=[])
    bar(ax, drawn, "change of the score")
    return ax


def _answers(network: "Network", x: ArrayLike, labels: ArrayLike) -> tuple[Any, Any]:
    if network.output != "softmax":
        raise ValueError(f"network: expected a softmax output, found {network.output!r}")
    y = network(x)
    truth = checks.targets(labels, len(y), y.shape[1], network.dtype, "cross_entropy", "labels")[0]
    if truth is None:
        raise ValueError("labels: expected class labels of shape (rows,), found targets")
    return y, truth

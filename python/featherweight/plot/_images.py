"""What neurons look for, what they say to images, and which images are misread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import looking
from ..diagrams.layout import limit
from ..model import targets
from ..support import checks
from ..support.hints import named
from ._axes import (
    axes,
    bar,
    class_names,
    drawable,
    image_shape,
    label,
    largest,
    several,
    sheet,
    symmetric,
    whole_ticks,
)

if TYPE_CHECKING:
    from ..network import Network


@named
def weights(
    network: Network,
    layer: int = 0,
    *,
    neurons: Sequence[int] | None = None,
    shape: tuple[int, int] | None = None,
    columns: int | None = None,
    ax: Any = None,
) -> Any:
    """Draw what a layer's neurons look for: their weights as images, on one scale.

    Of 100 weights or more the largest hundredth are drawn as the scale's ends, which the colour
    bar tells by arrows: by the very largest most would be nearly grey.

    Parameters
    ----------
    network : Network
    layer : int
        The first hidden layer is 0; counted from the last if negative.
    neurons : sequence of int, optional
        Which of them, each from 0 on; all by default, of more than 64 the first 64. The last ones
        are left out where the axes have no room for numbers of 5 points.
    shape : (rows, columns), optional
        Of an image; by default the layer's inputs are a square.
    columns : int, optional
        At most so many images side by side, at least 1; by default what makes them largest.
    ax : Axes, optional
        To draw in; by default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        For layers, neurons or shapes that there are not, or weights that are not finite or larger
        than 1e300.
    ImportError
        Without matplotlib.
    """
    layer = _layer(network, layer)
    found = network.weights[layer]
    chosen = several(
        "neurons", range(min(len(found), 64)) if neurons is None else neurons, 0, len(found) - 1
    )
    pixels = image_shape(network.sizes[layer], shape)
    images = drawable("weights", found[chosen], f" in layer {layer}").reshape(-1, *pixels)
    wanted = None if columns is None else checks.whole("columns", columns, 1)
    across = min(wanted or 8, len(chosen))
    ax = axes(ax, max(3.2, 1.1 * across + 1.2), 1.35 * -(-len(chosen) // across) + 0.8)
    end = largest(limit(images))
    drawn = sheet(ax, images, [str(j) for j in chosen], wanted, 0.8, **symmetric(end))
    all_of_them = len(drawn) == (len(found) if neurons is None else len(chosen))
    some = "the" if all_of_them else f"{len(drawn)} of the {len(found):,}"
    label(ax, f"what {some} neurons of layer {layer + 1} look for")
    bar(ax, drawn[0], "weight", "both" if np.abs(images).max() > end else "neither")
    return ax


@named
def activations(network: Network, x: ArrayLike, layer: int = 0, *, ax: Any = None) -> Any:
    """Draw all activations of a layer over a set of images.

    Greys go from white, which is 0, to black; if there are negative activations, the scale is that
    of signed numbers.

    Parameters
    ----------
    network : Network
    x : (rows, inputs) array
        Of any real dtype, at least one row.
    layer : int
        The first hidden layer is 0; counted from the last if negative.
    ax : Axes, optional
        To draw in; by default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        For a layer that there is not, inputs of another shape, or activations that are not finite
        or larger than 1e300.
    ImportError
        Without matplotlib.
    """
    layer = _layer(network, layer)
    found = network._plain().activations(_rows(network, x))[layer + 1]
    drawable("activations", found, f" in layer {layer + 1}")
    ax = axes(ax, 7, 1.2 + 3 * min(1.0, found.shape[1] / 24))
    signed = bool((found < 0).any())
    end = largest(found)
    options = symmetric(end) if signed else {"cmap": "gray_r", "vmin": 0, "vmax": end}
    drawn = ax.imshow(found.T, aspect="auto", interpolation="nearest", **options)
    name = (*network.activation, network.output)[layer]
    label(ax, f"layer {layer + 1}, {name}", "image", "neuron")
    whole_ticks(ax.xaxis, ax.yaxis)
    bar(ax, drawn, "activation")
    return ax


@named
def misread(
    network: Network,
    x: ArrayLike,
    labels: ArrayLike,
    *,
    most: int = 24,
    names: Sequence[str] | None = None,
    shape: tuple[int, int] | None = None,
    columns: int | None = None,
    ax: Any = None,
) -> Any:
    """Draw misread images, the surest first, with what was read, how surely, and what was there.

    Parameters
    ----------
    network : Network
        With a softmax output.
    x : (rows, inputs) array
        Of any real dtype.
    labels : (rows,) array of int
        From 0 to the number of outputs less 1.
    most : int
        How many images, at least 1; the last ones are left out where the axes have no room for
        captions of 5 points.
    names : sequence of str, optional
        The classes' names, by default their numbers; a ``$`` is a ``$``.
    shape : (rows, columns), optional
        Of an image; by default the inputs are a square.
    columns : int, optional
        At most so many images side by side, at least 1; by default what makes them largest.
    ax : Axes, optional
        To draw in; by default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        For another kind of network, rows, labels, names or shapes that don't fit, or outputs that
        are not finite.
    ImportError
        Without matplotlib.
    """
    y, truth = answers(network, x, labels)
    name = class_names(names, y.shape[1])
    pixels = image_shape(network.sizes[0], shape)
    most = checks.whole("most", most, 1)
    wanted = None if columns is None else checks.whole("columns", columns, 1)
    read, sure = y.argmax(axis=1), y.max(axis=1)
    wrong = np.flatnonzero(read != truth)
    wrong = wrong[np.argsort(-sure[wrong], kind="stable")][:most]
    across = max(1, min(wanted or 8, len(wrong)))
    ax = axes(ax, max(2.4, 1.1 * across + 0.2), 1.5 * max(1, -(-len(wrong) // across)) + 0.5)
    label(ax, f"{np.sum(read != truth):,} of {len(truth):,} misread")
    if not len(wrong):
        ax.set_axis_off()
        return ax
    images = checks.real_array("x", x)[wrong].reshape(-1, *pixels)
    captions = [f"{name[read[i]]} ({sure[i]:.0%})\nis {name[truth[i]]}" for i in wrong]
    sheet(ax, images, captions, wanted, 0.88, cmap="gray_r")
    return ax


@named
def excite(
    network: Network,
    layer: int,
    neuron: int,
    *,
    shape: tuple[int, int] | None = None,
    ax: Any = None,
    **settings: Any,
) -> Any:
    """Draw the input that most excites a neuron, as `looking.excite` finds it.

    Parameters
    ----------
    network : Network
    layer : int
        The first hidden layer is 0; counted from the last if negative.
    neuron : int
        From 0 on.
    shape : (rows, columns), optional
        Of an image; by default the inputs are a square.
    ax : Axes, optional
        To draw in; by default those of a new figure.
    **settings
        `start`, `steps`, `rate`, `decay` and `bounds` of `looking.excite`.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        For a neuron or shape that there is not, settings out of their ranges, or an input found
        that is larger than 1e300.
    ImportError
        Without matplotlib.
    """
    pixels = image_shape(network.sizes[0], shape)
    found = drawable("input", looking.excite(network, layer, neuron, **settings))
    ax = axes(ax, 3.6, 3)
    label(ax, f"excites neuron {neuron} of layer {_layer(network, layer) + 1}")
    drawn = ax.imshow(found.reshape(pixels), cmap="gray_r", interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    bar(ax, drawn, "input")
    return ax


@named
def saliency(
    network: Network,
    x: ArrayLike,
    target: int | None = None,
    *,
    shape: tuple[int, int] | None = None,
    ax: Any = None,
) -> Any:
    """Draw which pixels an answer rests on, as `looking.saliency` finds them.

    Light pixels would raise the answer's score if they were larger, dark ones lower it.

    Parameters
    ----------
    network : Network
    x : (inputs,) array
        Of any real dtype; its outline is drawn, too, if it has two rows and columns or more.
    target : int, optional
        The output, from 0 on; by default the largest.
    shape : (rows, columns), optional
        Of an image; by default the inputs are a square.
    ax : Axes, optional
        To draw in; by default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        For an input of another shape, an output or a shape that there is not, or a gradient that is
        not finite or larger than 1e300.
    ImportError
        Without matplotlib.
    """
    a = checks.real_array("x", x)
    if a.shape != network.sizes[:1]:
        raise ValueError(f"x: expected one input of shape {network.sizes[:1]}, found {a.shape}")
    pixels = image_shape(network.sizes[0], shape)
    found = drawable("gradient", looking.saliency(network, a, target))
    answer = int(network._plain()(a).argmax()) if target is None else target
    ax = axes(ax, 4, 3.4)
    label(ax, f"what speaks for {answer} (light) and against")
    drawn = ax.imshow(found.reshape(pixels), interpolation="nearest", **symmetric(largest(found)))
    middle = float(a.min()) / 2 + float(a.max()) / 2
    if a.min() < a.max() and min(pixels) > 1:  # a contour is a line between rows and columns
        ax.contour(a.reshape(pixels), levels=[middle], colors="k", linewidths=1)
    ax.set(xticks=[], yticks=[])
    bar(ax, drawn, "score per unit of input")
    return ax


def answers(network: Network, x: ArrayLike, labels: ArrayLike) -> tuple[Any, Any]:
    """Return a classifier's outputs for rows x, and the labels, checked."""
    if network.output != "softmax":
        raise ValueError(f"network: expected a softmax output, found {network.output!r}")
    y = checks.finite("outputs", network._plain()(_rows(network, x)))
    truth = targets.check(labels, len(y), y.shape[1], network.dtype, "cross_entropy", "labels")[0]
    if truth is None:
        raise ValueError("labels: expected class labels of shape (rows,), found targets")
    return y, truth


def _layer(network: Network, layer: int) -> int:
    layers = len(network.sizes) - 1
    return checks.whole("layer", layer, -layers, layers - 1) % layers


def _rows(network: Network, x: ArrayLike) -> NDArray[Any]:
    a = checks.real_array("x", x)
    if a.ndim != 2 or a.shape[1] != network.sizes[0] or not len(a):
        raise ValueError(
            f"x: expected shape (rows, {network.sizes[0]}) and at least one row, found {a.shape}"
        )
    return a

"""Networks as safetensors files."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from ..model.model import Model
from ..support.checks import choice, layer_sizes
from ..support.imports import ensure_imported

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Content(NamedTuple):
    """What is in a file: its name, its tensors by theirs, and its header."""

    name: str
    tensors: dict[str, Any]
    header: dict[str, Any]


Built = TypeVar("Built", bound=Model)

FORMAT_VERSION = 1
# one entry, since the library writes several in an order that changes from run to run
_METADATA = "featherweight"


def save(network: Model, path: "str | os.PathLike[str]") -> None:
    """Write `network` to `path`; see `Network.save`."""
    write(path, *describe(network))


def describe(
    network: Model, parameters: "NDArray[Any] | None" = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a network's tensors, its own or those of packed parameters, and what else it is."""
    tensors: dict[str, Any] = {}
    for i in range(len(network.sizes) - 1):
        tensors[f"weights.{i}"] = network._core.weights(i, parameters)
        tensors[f"biases.{i}"] = network._core.bias(i, parameters)
    return tensors, {
        "format_version": FORMAT_VERSION,
        "sizes": network.sizes,
        "activation": network.activation,
        "output": network.output,
        "dtype": network.dtype.name,
        "input_scale": network.input_scale.hex(),
    }


def write(
    path: "str | os.PathLike[str]",
    tensors: dict[str, Any],
    header: dict[str, Any],
    *,
    clean: bool = True,
) -> None:
    """Write a safetensors file, whole or not at all; see `atomic.replacing`."""
    ensure_imported("safetensors.numpy", ".exchange.atomic")
    from safetensors.numpy import save as serialize

    from .atomic import replacing

    with replacing(path, clean=clean) as f:
        f.write(serialize(tensors, {_METADATA: json.dumps(header, sort_keys=True)}))


def build(
    make: type[Built],
    name: str,
    tensors: dict[str, Any],
    header: dict[str, Any],
    *,
    threads: int | None = None,
    isa: str | None = None,
) -> Built:
    """Return the network, or model, that a file describes; raises as `featherweight.load`."""
    with _describing(name):
        sizes = _check_tensors(tensors, header)
        network = make(
            sizes,
            header["activation"],
            header["output"],
            dtype=header["dtype"],
            input_scale=_input_scale(header["input_scale"]),
            rng=0,
            threads=threads,
            isa=isa,
        )
    for i in range(len(sizes) - 1):
        network.weights[i], network.biases[i] = tensors[f"weights.{i}"], tensors[f"biases.{i}"]
    return network


def _input_scale(text: object) -> float:
    """Return a number that was written as `describe` writes it."""
    try:
        scale = float.fromhex(text) if isinstance(text, str) else math.nan
    except (OverflowError, ValueError):
        scale = math.nan
    if scale.hex() != text or not math.isfinite(scale):
        raise ValueError(f"input_scale {text!r}, which float.hex would not write")
    return scale


def packed(model: Model, content: Content) -> "NDArray[Any]":
    """Return a file's parameters in a model's packed order, the file being of such a one."""
    with _describing(content.name):
        sizes = _check_tensors(content.tensors, content.header)
    flat, core = np.zeros(model._core.packed_size, model.dtype), model._core
    for i in range(len(sizes) - 1):
        core.set_weights(i, content.tensors[f"weights.{i}"], flat)
        core.set_bias(i, content.tensors[f"biases.{i}"], flat)
    return flat


@contextmanager
def _describing(name: str) -> Iterator[None]:
    """Say of which file what is wrong with a network's description."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as e:
        raise ValueError(f"{name}: expected a network's description, found {e!r}") from None
    except ValueError as e:
        if str(e).startswith(("isa:", "threads:")):
            raise
        if str(e).startswith("expected"):
            raise ValueError(f"{name}: {e}") from None
        raise ValueError(f"{name}: expected a network's description, found {e}") from None


def _check_tensors(tensors: dict[str, Any], header: dict[str, Any]) -> tuple[int, ...]:
    """Return the layers' sizes if the tensors are theirs.

    Before memory is asked for: of a small file that claims a large network.
    """
    choice("dtype", header["dtype"], ("float32", "float64"))
    sizes = layer_sizes(header["sizes"], 4)
    expected: dict[str, tuple[int, ...]] = {}
    for i, (n, m) in enumerate(pairwise(sizes)):
        expected |= {f"weights.{i}": (m, n), f"biases.{i}": (m,)}
    if "training" in header or "estimator" in header:  # of which the network alone is wanted
        tensors = {key: tensors[key] for key in set(expected) & set(tensors)}
    if set(tensors) != set(expected):
        raise ValueError(f"expected the tensors {sorted(expected)}, found {sorted(tensors)}")
    for key, shape in expected.items():
        a = tensors[key]
        if a.dtype != header["dtype"]:
            raise ValueError(f"expected {key} of {header['dtype']}, found {a.dtype}")
        if a.shape != shape:
            raise ValueError(f"expected {key} of shape {shape}, found {a.shape}")
    return sizes


def read(name: str) -> Content:
    """Return what is in a file; raises as `featherweight.load`."""
    ensure_imported("safetensors")
    from safetensors import SafetensorError, safe_open

    with open(name, "rb"):
        pass  # the plain error, with its errno, where there is no such file or it's a folder
    tensors: dict[str, Any] = {}
    try:
        with safe_open(name, framework="np") as f:
            metadata = f.metadata() or {}
            for key in f.keys():  # noqa: SIM118 - a file, not a dict: it can't be iterated over
                tensors[key] = f.get_tensor(key)
        _refuse_repeated_names(name)
    except (SafetensorError, TypeError, ValueError, KeyError, AttributeError) as e:
        raise ValueError(f"{name}: expected a whole safetensors file, found: {e}") from None
    return Content(name, tensors, _header(name, metadata))


def _refuse_repeated_names(name: str) -> None:
    """Read the header once more, of which the safetensors package keeps the last of each name."""
    with open(name, "rb") as f:
        json.loads(f.read(int.from_bytes(f.read(8), "little")), object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return what JSON calls an object as a dict if it has each name once."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"the name {twice!r} more than once")
    return found


def _header(name: str, metadata: dict[str, str]) -> dict[str, Any]:
    try:
        header = json.loads(metadata[_METADATA], object_pairs_hook=_once)
        version = header["format_version"]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError(
            f"{name}: expected a network saved by featherweight, found a safetensors file of "
            "something else"
        ) from None
    if type(version) is not int or version != FORMAT_VERSION:  # True is 1
        raise ValueError(
            f"{name}: expected format version {FORMAT_VERSION}, found {version}: "
            "a newer featherweight may read it"
        )
    assert isinstance(header, dict)
    return header

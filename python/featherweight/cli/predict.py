"""``featherweight predict``: a saved network reads digits in pictures."""

import argparse
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..images import read_digits
from ..model.outputs import output_kind, pixel_factor
from ..network import Network, load
from . import CommandError, Parser, complain, say, sentence

_NAME = "featherweight predict"


def parser() -> Parser:
    """Return the parser of this command's options."""
    p = Parser(
        prog=_NAME,
        description="Read the digits in pictures. A picture of any size with one digit is prepared "
        "as MNIST's were; 28 x 28 pixels, light on dark, are taken as they are.",
        allow_abbrev=False,
    )
    p.add_argument("model", metavar="MODEL", help="a network that featherweight has saved")
    p.add_argument("images", metavar="IMAGE", nargs="+",
                   help="PNG, JPEG or .npy: (h, w), (784,), (n, 784) or (n, 28, 28)")  # fmt: skip
    p.add_argument("--json", action="store_true", help="as a JSON list")
    p.add_argument("--top", type=int, metavar="K", default=1, help="the K likeliest (default: 1)")
    return p


def run(options: argparse.Namespace) -> int:
    """Read the pictures and return the exit status."""
    if options.top < 1:
        raise CommandError(f"--top: expected at least 1, found {options.top}", 2)
    network = _load(options.model)
    classes = network.sizes[-1]
    if options.top > classes:
        raise CommandError(
            f"--top: expected at most {classes}, the network's outputs, found {options.top}", 2
        )
    status = 0
    found: list[dict[str, Any]] = []
    for path in options.images:
        try:
            with warnings.catch_warnings(record=True) as noted:
                warnings.simplefilter("always")
                rows = read_digits(path)
        except (OSError, ValueError, ImportError) as e:
            complain(_NAME, sentence(e))
            status = 1
            continue
        for note in noted:
            complain(_NAME, str(note.message), "warning: ")
        read = _read(network, path, rows, options.top)
        if options.json:
            found += read
        else:
            for entry in read:
                say(_line(entry))
    if options.json:
        import json

        say(json.dumps(found, indent=2))
    return status


def _load(path: str) -> Network:
    try:
        network = load(path)
    except (OSError, ValueError) as e:
        raise CommandError(sentence(e), 1) from None
    if network.sizes[0] != 784:
        raise CommandError(
            f"{path}: expected a network of 784 inputs (28 x 28 pixels), found {network.sizes[0]}",
            1,
        )
    if output_kind(network.output) != "classifier" or network.sizes[-1] < 2:
        raise CommandError(
            f"{path}: expected a classifier (softmax or sigmoid, 2 outputs or more), "
            f"found {network.output} with {network.sizes[-1]}",
            1,
        )
    return network


def _read(network: Network, path: str, rows: NDArray[np.uint8], top: int) -> list[dict[str, Any]]:
    """Return what the network reads in each row, the likeliest first."""
    factor = pixel_factor(network)
    x = rows if abs(factor - 1) < 1e-6 else rows * network.dtype.type(factor)
    outputs = network(x)
    entries = []
    for i, y in enumerate(outputs):
        best = np.argsort(-y, kind="stable")[:top]
        entries.append(
            {
                "image": path,
                "index": i if len(rows) > 1 else None,
                "digit": int(best[0]),
                "confidence": _number(y[best[0]]),
                "top": [{"digit": int(d), "confidence": _number(y[d])} for d in best],
            }
        )
    return entries


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _line(entry: dict[str, Any]) -> str:
    index = "" if entry["index"] is None else f"[{entry['index']}]"
    choices = ", ".join(f"{c['digit']} ({_percent(c['confidence'])})" for c in entry["top"])
    return f"{entry['image']}{index}: {choices}"


def _percent(confidence: float | None) -> str:
    return "no number" if confidence is None else f"{100 * confidence:.1f} %"

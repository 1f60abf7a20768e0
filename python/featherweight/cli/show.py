"""``featherweight show``: a saved network's pictures, as PNG files."""

import argparse
import os
import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from ..exchange.atomic import check_place, replacing
from ..model.outputs import pixel_factor
from ..network import load
from ..support.checks import counted
from ..support.optional import need
from . import CommandError, Parser, complain, say, sentence

_NAME = "featherweight show"
_EXCITES = 10  # outputs of which there is a picture, at most
_ALL = {"diagram", "weights", "saliency", *(f"excites_{i}" for i in range(_EXCITES))}


def parser() -> Parser:
    """Return the parser of this command's options."""
    p = Parser(
        prog=_NAME,
        description="Write pictures of a network: its diagram, what the neurons of its first layer "
        "look for and what excites its outputs; of an image, the diagram lit by it, and which "
        "pixels the answer rests on. Files of their names in the folder are replaced; pictures "
        "that this command wrote of another network are removed where this one can have none. "
        "Needs the extra plot.",
        allow_abbrev=False,
    )
    p.add_argument("model", metavar="MODEL", help="a network that featherweight has saved")
    p.add_argument("image", metavar="IMAGE", nargs="?", help="a digit: PNG, JPEG or .npy")
    p.add_argument("--out", metavar="FOLDER", default=".",
        help="where to write, made if it is missing (default: here)")  # fmt: skip
    p.add_argument("--dpi", type=int, default=150, help="dots per inch, 20 to 1200 (default: 150)")
    return p


def run(options: argparse.Namespace) -> int:
    """Write the pictures and return the exit status."""
    if not 20 <= options.dpi <= 1200:
        raise CommandError(f"--dpi: expected 20 to 1200, found {options.dpi}", 2)
    try:
        network = load(options.model)
        x = None if options.image is None else _image(options.image, network)
    except (OSError, ValueError, ImportError) as e:
        raise CommandError(sentence(e), 1) from None
    _make_folder(options.out)
    try:
        pictures = _pictures(network, x)
        for name, draw in pictures.items():
            say(_write(draw, os.path.join(options.out, f"{name}.png"), options.dpi))
        for name in sorted(_ALL - set(pictures)):
            path = os.path.join(options.out, f"{name}.png")
            # one of an image stays where only no image was given, and others' files always
            if not (name == "saliency" and "weights" in pictures) and _ours(path):
                os.remove(path)
                complain(_NAME, f"removed {path}, which was of another network", "")
    except (OSError, ValueError, ImportError) as e:
        raise CommandError(sentence(e), 1) from None
    return 0


def _make_folder(path: str) -> None:
    """Make a folder, and those above it, if it is missing; refuse one that can't be written to."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as e:
        found = "a file" if os.path.exists(path) else e.strerror
        raise CommandError(
            f"--out: expected a folder, or a place for one, found {path} ({found})", 2
        ) from None
    try:
        check_place(os.path.join(path, "diagram.png"), "--out")
    except OSError as e:
        raise CommandError(sentence(e), 2) from None


def _image(path: str, network: Any) -> Any:
    from ..images import read_digits

    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        rows = read_digits(path)
    for note in noted:
        complain(_NAME, str(note.message), "warning: ")
    if len(rows) != 1 or network.sizes[0] != 784:
        raise ValueError(
            f"{path}: expected one image for a network of 784 inputs, found {len(rows)} and "
            f"{counted(network.sizes[0], 'input')}"
        )
    return rows[0] * network.dtype.type(pixel_factor(network))


def _pictures(network: Any, x: Any) -> dict[str, Callable[[], Any]]:
    """Return what there is to draw, by the file's name."""
    need("matplotlib", "plot", "show")
    from .. import plot

    found: dict[str, Callable[[], Any]] = {"diagram": lambda: plot.diagram(network, x)}
    if round(network.sizes[0] ** 0.5) ** 2 == network.sizes[0]:  # inputs that are an image
        found["weights"] = lambda: plot.weights(network)
        for i in range(min(network.sizes[-1], _EXCITES)):
            found[f"excites_{i}"] = partial(plot.excite, network, -1, i)
        if x is not None:
            found["saliency"] = lambda: plot.saliency(network, x)
    return found


def _ours(path: str) -> bool:
    """Return whether a file is a picture that this command wrote."""
    try:
        with import_module("PIL.Image").open(path) as image:
            return bool(image.info.get("Software") == _NAME)
    except (OSError, ValueError, SyntaxError):  # none there, or no picture
        return False


def _write(draw: Callable[[], Any], path: str, dpi: int) -> str:
    pyplot = import_module("matplotlib.pyplot")
    pyplot.switch_backend("agg")  # there need be no screen
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        figure = draw().figure
    for warning in found:
        complain(_NAME, str(warning.message), "warning: ")
    try:
        with replacing(path) as file:
            figure.savefig(file, format="png", dpi=dpi, metadata={"Software": _NAME})
    finally:
        pyplot.close(figure)
    return path

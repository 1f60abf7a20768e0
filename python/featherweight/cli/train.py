"""``featherweight train``: a network learns to read digits, is measured and saved."""

import argparse
import math
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import data
from ..exchange.atomic import check_place
from ..network import Network
from ..optimizers import SGD, Adam, Optimizer
from ..support.checks import choice, counted
from . import CommandError, Parser, complain, say, sentence

if TYPE_CHECKING:
    from ..training.callbacks import TrainingState
    from ..training.history import History

_NAME = "featherweight train"
_RATES = {"adam": 2e-3, "sgd": 0.1}
_PROGRESS: dict[str, Any] = {"auto": "auto", "bar": True, "lines": "lines", "none": False}
# how the library's messages call what has another name here
_OPTIONS = {
    "sizes": "--sizes",
    "lr": "--learning-rate",
    "rng": "--seed",
    "momentum": "--momentum",
    "optimizer": "--optimizer",
    "activation": "--activation",
    "output": "--output",
    "loss": "--loss",
    "epochs": "--epochs",
    "batch_size": "--batch-size",
    "threads": "--threads",
    "isa": "--isa",
}


def parser() -> Parser:
    """Return the parser of this command's options."""
    p = Parser(
        prog=_NAME,
        description="Train a network to read digits, measure it on images it never saw, save it.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = p.add_argument
    add("--data", default="digits", metavar="WHAT",
        help="digits (comes with the package), mnist (downloaded once), a folder with MNIST's "
        "four IDX files, or an .npz file with x_train, y_train, x_test, y_test")  # fmt: skip
    add("--sizes", nargs="*", default="16 16", metavar="N",
        help="neurons of the hidden layers: 16 16 or 16,16; none for a linear network")  # fmt: skip
    add("--activation", default="relu", metavar="NAME",
        help="of the hidden layers, or one for each: relu,tanh")  # fmt: skip
    add("--output", default="softmax", metavar="NAME", help="softmax or an activation")
    add("--loss", metavar="NAME", default=argparse.SUPPRESS,
        help="cross_entropy, binary_cross_entropy or mse (default: by the output)")  # fmt: skip
    add("--optimizer", default="adam", metavar="NAME", help="adam or sgd")
    add("--momentum", type=float, metavar="M", default=argparse.SUPPRESS,
        help="of sgd, in [0, 1) (default: 0)")  # fmt: skip
    rates = ", ".join(f"{rate:g} for {name}" for name, rate in _RATES.items())
    add("--learning-rate", "--lr", type=float, metavar="R", default=argparse.SUPPRESS,
        help=f"(default: {rates})")  # fmt: skip
    add("--epochs", type=int, default=30, metavar="N", help="how often each image is shown")
    add("--batch-size", type=int, default=32, metavar="N", help="images for one step")
    add("--seed", type=int, default=0, metavar="N", help="same seed, same network, bit for bit")
    add("--threads", type=int, metavar="N", default=argparse.SUPPRESS,
        help="(default: the CPUs this process may use); no result depends on it")  # fmt: skip
    add("--isa", metavar="NAME", default=argparse.SUPPRESS,
        help="instruction set (default: the fastest); no result depends on it")  # fmt: skip
    saving = p.add_mutually_exclusive_group()
    saving.add_argument(
        "--save", default="digits.safetensors", metavar="PATH", help="file to write"
    )
    saving.add_argument(
        "--no-save", action="store_true", default=argparse.SUPPRESS, help="write no file"
    )
    add("--progress", metavar="HOW", default=argparse.SUPPRESS,
        help="on stderr: bar, lines (one for each epoch, for logs), none, or auto, a bar in a "
        "terminal and nothing elsewhere (default: auto; none with --quiet)")  # fmt: skip
    add("--quiet", action="store_true", default=argparse.SUPPRESS, help="print the accuracy only")
    return p


def run(options: argparse.Namespace) -> int:
    """Train as the options say and return the exit status."""
    quiet = "quiet" in options
    path = None if "no_save" in options else options.save
    try:
        if path is not None:
            _check_target(path)
        optimizer = _optimizer(options)
        hidden = _hidden(options.sizes)
        shown = getattr(options, "progress", "none" if quiet else "auto")
        progress = _PROGRESS[choice("--progress", shown, tuple(_PROGRESS))]
    except (ValueError, TypeError) as e:
        raise _usage(e) from None
    train, test, classes, scale = _read(options.data)
    try:
        network = _network(options, hidden, train, classes, scale)
        watch = _Watch(None if quiet else len(train.images))
        interrupted, failure = False, None
        begin = time.perf_counter()
        try:
            network.fit(
                train.images,
                train.labels,
                epochs=options.epochs,
                batch_size=options.batch_size,
                optimizer=optimizer,
                loss=getattr(options, "loss", None),
                callbacks=watch,
                progress=progress,
            )
        except KeyboardInterrupt as e:
            interrupted = True
            complain(_NAME, str(e) or "stopped before the first epoch", "")
        except FloatingPointError as e:
            failure = f"{e}: try a smaller --learning-rate"
        seconds = time.perf_counter() - begin
    except (ValueError, TypeError) as e:
        raise _usage(e) from None
    matrix, finite = confusion_matrix(network, test.images, test.labels, classes)
    # saved before anything more is printed: whoever reads the report may be gone by now
    if path is not None:
        try:
            network.save(path)
        except OSError as e:
            failure = f"could not save the network: {sentence(e)}"
    if not finite:
        complain(_NAME, "the outputs are not finite: try a smaller --learning-rate", "warning: ")
    advice = _advice(matrix, watch.history, optimizer) if finite else ""
    if quiet and advice:
        complain(_NAME, advice, "warning: ")
    _report(matrix, watch.history, len(train.images), seconds, quiet, advice)
    if failure is not None:
        raise CommandError(failure, 1)
    if path is not None and not quiet:
        say(f"Saved as {path}")
    return 130 if interrupted else 0


def _usage(error: Exception) -> CommandError:
    """Return a message of the library with the option's name for the argument's."""
    name, colon, rest = str(error).partition(":")
    own = name.partition("[")[0]  # of one of several: sizes[1]
    return CommandError(_OPTIONS.get(own, name) + colon + rest, 2)


def _check_target(path: str) -> None:
    if os.path.isdir(path):
        raise ValueError(f"--save: expected a file's name, found the folder {path}")
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f"--save: expected a plain file or none yet, found something else: {path}")
    try:
        check_place(path, "--save")
    except OSError as e:
        raise ValueError(f"{sentence(e)}; --no-save writes no file") from None


def _optimizer(options: argparse.Namespace) -> Optimizer:
    name = choice("optimizer", options.optimizer, tuple(_RATES))
    rate = getattr(options, "learning_rate", _RATES[name])
    if name == "sgd":
        return SGD(rate, getattr(options, "momentum", 0.0))
    if "momentum" in options:
        raise ValueError("momentum: expected --optimizer sgd with it, found adam")
    return Adam(rate)


def _hidden(given: str | list[str]) -> list[int]:
    words = [given] if isinstance(given, str) else given
    try:
        return [int(n) for word in words for n in word.replace(",", " ").split()]
    except ValueError:
        found = " ".join(words)
        raise ValueError(
            f"--sizes: expected whole numbers such as 16 16 or 16,16, found {found!r}"
        ) from None


def _network(
    options: argparse.Namespace, hidden: list[int], train: data.Split, classes: int, scale: float
) -> Network:
    names = options.activation.split(",")
    return Network(
        [train.images.shape[1], *hidden, classes],
        names[0] if len(names) == 1 else names,
        options.output,
        input_scale=scale,
        rng=options.seed,
        threads=getattr(options, "threads", None),
        isa=getattr(options, "isa", None),
    )


def _read(what: str) -> tuple[data.Split, data.Split, int, float]:
    """Return training set, test set, the number of classes and the network's input scale."""
    try:
        if what == "digits":
            return (*data.digits(), 10, 1 / 255)
        if what == "mnist":
            return (*data.mnist(), 10, 1 / 255)
        if os.path.isdir(what):
            return (*data.mnist(what), 10, 1 / 255)
        if not os.path.exists(what) and not (os.path.dirname(what) or what.endswith(".npz")):
            try:
                choice("--data", what, ("digits", "mnist"))
            except ValueError as e:
                raise CommandError(f"{e}, a folder of IDX files or an .npz file", 2) from None
        from ._npz import read_npz

        return read_npz(what)
    except (OSError, ValueError) as e:
        raise CommandError(f"--data: {sentence(e)}", 1) from None


class _Watch:
    """Says what begins, once `fit` has checked it, and keeps the history, also of a Ctrl-C."""

    def __init__(self, images: int | None) -> None:
        self.history: History | None = None
        self._images = images

    def on_train_begin(self, state: "TrainingState") -> None:
        self.history = state.history
        if self._images is not None:
            net = state.network
            say(
                f"{'-'.join(map(str, net.sizes))} ({', '.join(net.activation) or 'linear'}; "
                f"{net.output}): {net.parameter_count:,} parameters; "
                f"training on {_images(self._images)} ({net.isa})"
            )


def _images(n: int, kind: str = "") -> str:
    return f"{n:,} {kind}{'image' if n == 1 else 'images'}"


def confusion_matrix(
    network: Network, images: NDArray[Any], labels: NDArray[np.int64], classes: int
) -> tuple[NDArray[np.int64], bool]:
    """Count, as (truth, read as), what a network reads; and say if all its outputs are finite."""
    outputs = network(images)
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (labels, outputs.argmax(axis=1)), 1)
    return matrix, bool(np.isfinite(outputs).all())


def _advice(matrix: NDArray[np.int64], history: "History | None", optimizer: Any) -> str:
    """Return what to do if training has come to no more than guessing, or naming one class."""
    total, most = int(matrix.sum()), int(matrix.sum(axis=1).max())
    guessed = total / len(matrix)  # with two standard deviations of what a guess gets right
    limit = max(most, guessed + 2 * math.sqrt(guessed * (1 - 1 / len(matrix))))
    if history is None or not history.epoch or most == total or matrix.trace() > limit:
        return ""
    usual = _RATES["sgd" if isinstance(optimizer, SGD) else "adam"]
    other = "larger" if optimizer.lr < usual else "smaller"
    return f"no better than a guess: try a {other} --learning-rate"


def _report(
    matrix: NDArray[np.int64],
    history: "History | None",
    rows: int,
    seconds: float,
    quiet: bool,
    advice: str,
) -> None:
    total = int(matrix.sum())
    right = int(matrix.trace())
    accuracy = f"{100 * right / total:.2f} %"
    if quiet:
        say(accuracy)
        return
    epochs = 0 if history is None else len(history.epoch)
    spent = sum(history.seconds) if history is not None else 0.0
    rate = f", {rows * epochs / spent:,.0f} images per second" if spent > 0 else ""
    say(f"{counted(epochs, 'epoch')} in {seconds:.2f} s{rate}")
    say(f"Accuracy on {_images(total, 'test ')}: {accuracy} ({right:,} read right)")
    if advice:
        say(advice[0].upper() + advice[1:])
    say("Confusion matrix (rows: the truth; columns: read as)")
    say(table(matrix))


def table(matrix: NDArray[np.int64]) -> str:
    """Return a confusion matrix as aligned lines, classes before the rows and over the columns."""
    classes = len(matrix)
    width = max(3, len(str(classes - 1)), len(str(int(matrix.max())))) + 1
    head = max(3, len(str(classes - 1)))
    lines = [" " * head + " |" + "".join(f"{c:>{width}}" for c in range(classes))]
    lines.append("-" * (head + 1) + "+" + "-" * (width * classes))
    for c, row in enumerate(matrix):
        lines.append(f"{c:>{head}} |" + "".join(f"{n:>{width}}" for n in row))
    return "\n".join(lines)

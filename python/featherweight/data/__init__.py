"""Handwritten digits to learn from: a small set that comes with the package, and all of MNIST."""

from __future__ import annotations

import functools
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..support.checks import counted
from ..support.hints import attribute_error, named
from ..support.optional import installing
from .idx import read_idx, to_path

if TYPE_CHECKING:  # at run time these would cost more than the rest of the import
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Dataset", "Split", "digits", "mnist", "read_idx"]

# The official files by name, with the SHA-256 of their gzipped form as published.
_FILES = {
    "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_DIGITS = os.path.join(os.path.dirname(__file__), "_digits", "digits.xz")
_PIXELS = 28 * 28
_lock = threading.Lock()


class Split(NamedTuple):
    """Images and their labels, row by row.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, 784)
        One image of 28 x 28 pixels a row, its rows one after the other; 0 is background, 255 ink.
    labels : ndarray of int64, shape (n,)
        The digit that each image shows, 0 to 9.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


class Dataset(NamedTuple):
    """A training set and a test set.

    Attributes
    ----------
    train : Split
        What to learn from.
    test : Split
        What to measure with; no image of it is in `train`.
    """

    train: Split
    test: Split


def _attribute(made: Split | Dataset, name: str) -> Any:
    cls = type(made)
    found = attribute_error(cls.__name__, name, cls._fields, (cls.__name__,))
    raise found or AttributeError(f"{cls.__name__!r} object has no attribute {name!r}")


if not TYPE_CHECKING:  # as of modules
    Split.__getattr__ = Dataset.__getattr__ = _attribute


@named
def digits() -> Dataset:
    """Handwritten digits that come with the package: 10,000 to train on, 2,000 to test with.

    They are a part of MNIST, balanced by class: 1,000 training and 200 test images of each
    digit, the training images from MNIST's training set, the test images from its test set.
    Every block of ten rows holds each digit once, in mixed order, so that the first 10 k rows
    are a balanced set too.

    Returns
    -------
    Dataset
        ``train`` with images (10000, 784) and labels (10000,), ``test`` with images (2000, 784)
        and labels (2000,); images are uint8, 0 to 255, labels int64, 0 to 9. The arrays are
        decoded once per process, shared by all callers and read-only; use ``.copy()`` for one to
        write into.

    Raises
    ------
    FileNotFoundError
        If the package was installed without its data.
    ValueError
        If the package's data file is damaged.

    Notes
    -----
    Yann LeCun and Corinna Cortes hold the copyright of MNIST, a derivative work of NIST's sets;
    it is made available under CC BY-SA 3.0, which holds for this part of it too. See the file
    ``LICENSE`` beside the data, and http://yann.lecun.com/exdb/mnist/.

    Examples
    --------
    >>> train, test = digits()
    >>> train.images.shape, test.labels.shape
    ((10000, 784), (2000,))
    """
    with _lock:  # the first callers would otherwise each decode
        return _decode()


@functools.cache
def _decode() -> Dataset:
    import lzma

    n, m = 10_000, 2_000
    with open(_DIGITS, "rb") as file:
        packed = file.read()
    try:
        plain = lzma.decompress(packed)
    except lzma.LZMAError as error:
        raise ValueError(f"{_DIGITS} is damaged: {error}") from error
    expected = (n + m) * (_PIXELS + 1)
    if len(plain) != expected:
        raise ValueError(f"{_DIGITS} is damaged: expected {expected} bytes, found {len(plain)}")
    # Arrays over a bytes object cannot be made writable again, unlike those only marked so.
    images = np.frombuffer(plain, np.uint8, (n + m) * _PIXELS).reshape(-1, _PIXELS)
    labels = np.frombuffer(plain, np.uint8, offset=images.size).astype(np.int64)
    labels = np.frombuffer(labels.tobytes(), np.int64)
    return Dataset(Split(images[:n], labels[:n]), Split(images[n:], labels[n:]))


@named
def mnist(path: str | os.PathLike[str] | None = None) -> Dataset:
    """All of MNIST: 60,000 handwritten digits to train on, 10,000 to test with.

    The four official files are ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
    ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``. Each may be gzipped (with ``.gz``
    after its name or not), and may be spelled with a dot, as in ``train-images.idx3-ubyte``.

    Parameters
    ----------
    path : str or path-like, optional
        The folder that holds the files; nothing is downloaded then. By default the folder that
        the environment variable ``FEATHERWEIGHT_DATA`` names, or else ``featherweight/mnist``
        in the user's cache folder. Files missing there are downloaded into it and checked by
        their SHA-256, where pooch is installed (``pip install "featherweight[data]"``).

    Returns
    -------
    Dataset
        ``train`` with images (60000, 784) and labels (60000,), ``test`` with images (10000, 784)
        and labels (10000,), in the official order; images are uint8, 0 to 255, labels int64,
        0 to 9. The files are read anew by every call; the arrays are the caller's own.

    Raises
    ------
    FileNotFoundError
        If files are missing and, without `path`, cannot be downloaded; the message says what to
        put where.
    ValueError
        If a file is not a whole IDX file, or not what its name says: images other than
        28 x 28 uint8, labels other than uint8 0 to 9, or as many images as there are labels.
    TypeError
        If `path` is neither a string nor path-like.

    Notes
    -----
    Yann LeCun and Corinna Cortes hold the copyright of MNIST, a derivative work of NIST's sets;
    it is made available under CC BY-SA 3.0. See http://yann.lecun.com/exdb/mnist/.
    """
    folder = _default_folder() if path is None else to_path(path, "mnist()").expanduser()
    found = {name: _find(folder, name) for name in _FILES}
    missing = [name for name, file in found.items() if file is None]
    if missing and path is not None:
        raise FileNotFoundError(
            f"mnist() found no {' and no '.join(missing)} (plain or .gz) in {folder}: "
            "expected the four official files of MNIST there"
        )
    if missing:
        found.update(_download(folder, missing))
    train_images, train_labels, test_images, test_labels = (f for f in found.values() if f)
    return Dataset(_read_split(train_images, train_labels), _read_split(test_images, test_labels))


def _default_folder() -> Path:
    from pathlib import Path

    if given := os.environ.get("FEATHERWEIGHT_DATA"):
        return Path(given).expanduser()
    if sys.platform == "win32":
        cache = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        cache = "~/Library/Caches"
    else:
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "featherweight" / "mnist"


def _find(folder: Path, name: str) -> Path | None:
    spellings = (name, name.replace("-idx", ".idx"))
    files = (folder / (spelling + end) for end in ("", ".gz") for spelling in spellings)
    return next((file for file in files if file.is_file()), None)


def _download(folder: Path, names: list[str]) -> dict[str, Path]:
    """Fetch the gzipped files `names` into `folder`, or say what to put there."""
    advice = f"put {', '.join(name + '.gz' for name in names)} (gzipped or not) into {folder}"
    try:
        import pooch  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError as error:
        raise FileNotFoundError(
            f"mnist() found no files of MNIST to read: {advice}, or have them downloaded with "
            f"the help of `{installing('data')}`"
        ) from error
    return {name: _fetch(pooch, folder, name, advice) for name in names}


def _fetch(pooch: Any, folder: Path, name: str, advice: str) -> Path:
    """Download one file from the first mirror that has it; pooch checks it before keeping it."""
    from pathlib import Path

    from ..support.terminal import watched

    failures = []
    for mirror in _MIRRORS:
        try:
            return Path(
                pooch.retrieve(
                    f"{mirror}{name}.gz",
                    known_hash=f"sha256:{_FILES[name]}",
                    fname=f"{name}.gz",
                    path=folder,
                    progressbar=watched(),
                )
            )
        except OSError as error:  # the errors of requests are OSErrors
            failures.append(f"{mirror}: {type(error).__name__}")
        except ValueError:
            failures.append(f"{mirror}: wrong SHA-256")
    raise FileNotFoundError(
        f"mnist() could not download {name}.gz ({', '.join(failures)}): {advice}"
    )


def _read_split(images_file: Path, labels_file: Path) -> Split:
    images, labels = read_idx(images_file), read_idx(labels_file)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise ValueError(
            f"{images_file} should hold uint8 images of shape (n, 28, 28), "
            f"found {images.dtype} of shape {images.shape}"
        )
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise ValueError(
            f"{labels_file} should hold uint8 labels of shape (n,), "
            f"found {labels.dtype} of shape {labels.shape}"
        )
    if len(images) != len(labels):
        raise ValueError(
            f"{images_file} holds {counted(len(images), 'image')}, but {labels_file} "
            f"{counted(len(labels), 'label')}"
        )
    wrong = labels[labels > 9]
    if wrong.size:
        raise ValueError(f"{labels_file} should hold labels from 0 to 9, found {wrong[0]}")
    return Split(images.reshape(-1, _PIXELS), labels.astype(np.int64))


if not TYPE_CHECKING:  # a type checker knows the names, and would take any then

    def __getattr__(name: str) -> Any:
        from ..support.hints import module_attribute

        raise module_attribute(__name__, name)

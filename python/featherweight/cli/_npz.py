"""Data sets of the user's own, from .npz files."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import Split
from ..support.arrays import reading

_KEYS = ("x_train", "y_train", "x_test", "y_test")


def read_npz(path: str) -> tuple[Split, Split, int, float]:
    """Read ``x_train``, ``y_train``, ``x_test`` and ``y_test``.

    Inputs are (n, ...) real numbers, flattened to (n, inputs); labels are (n,) whole numbers from
    0. Whole-numbered inputs from 0 to 255 are taken as pixels: uint8, to be scaled by 1/255.
    Returns both sets, the number of classes and the scale.
    """
    with (
        open(path, "rb") as file,
        reading(file, "an .npz file", f"an .npz file of plain arrays as {path}"),
        np.load(file, allow_pickle=False) as archive,
    ):
        arrays = {key: archive[key] for key in _KEYS if key in archive}
    missing = [key for key in _KEYS if key not in arrays]
    if missing:
        raise ValueError(f"expected {', '.join(_KEYS)} in {path}, found no {', '.join(missing)}")
    for key, a in arrays.items():
        if not isinstance(a, np.ndarray):  # but the bytes of a member of another kind
            raise ValueError(f"expected {key} in {path} as an array, found something else")
    x, y, xt, yt = (arrays[key] for key in _KEYS)
    train, test = _split(path, "train", x, y), _split(path, "test", xt, yt)
    if train.images.shape[1] != test.images.shape[1]:
        raise ValueError(
            f"expected x_train and x_test with equally many inputs in {path}, "
            f"found {train.images.shape[1]} and {test.images.shape[1]}"
        )
    classes = max(2, 1 + int(max(train.labels.max(), test.labels.max())))
    if classes > 10_000:
        raise ValueError(f"expected labels below 10000 in {path}, found {classes - 1}")
    if train.images.dtype == test.images.dtype == np.uint8:
        return train, test, classes, 1 / 255
    return train, test, classes, 1.0


def _split(path: str, name: str, x: NDArray[Any], y: NDArray[Any]) -> Split:
    what = f"x_{name} (n, ...) of finite numbers and y_{name} (n,) of labels"
    if x.ndim < 2 or x.dtype.kind not in "fiub" or x.size == 0 or y.shape != x.shape[:1]:
        raise ValueError(
            f"expected {what} in {path}, found shapes {x.shape} and {y.shape} "
            f"of {x.dtype} and {y.dtype}"
        )
    if not np.isfinite(x).all():
        raise ValueError(f"expected {what} in {path}, found NaN or infinity in x_{name}")
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() > np.iinfo(np.int64).max:
        raise ValueError(
            f"expected whole numbers from 0 as y_{name} in {path}, found {y.dtype}"
            + (f" from {y.min()}" if y.dtype.kind in "iu" else "")
        )
    x = x.reshape(len(x), -1)
    if x.dtype.kind in "iu" and x.min() >= 0 and x.max() <= 255:
        x = x.astype(np.uint8)
    elif x.dtype.kind != "f":
        x = x.astype(np.float32)
    return Split(x, y.astype(np.int64))

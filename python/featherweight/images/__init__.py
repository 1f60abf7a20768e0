"""Pictures of single digits, made into what MNIST's networks expect.

As MNIST was made (LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
recognition", Proceedings of the IEEE 86, 1998): the ink is fitted into a box of 20 x 20 pixels
keeping its aspect ratio, with anti-aliasing, and its centre of mass is put at the centre of
28 x 28 pixels.

Files are read with Pillow (``pip install "featherweight[images]"``), ``.npy`` files without.
"""

from __future__ import annotations

import math
import os
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..support.arrays import reading
from ..support.callers import callers_level
from ..support.hints import named
from ..support.optional import need
from ..support.tables import refuse_batches
from . import ink

__all__ = ["prepare", "read_digit", "read_digits"]

_SIDE, _BOX = 28, 20
_LARGEST = 64_000_000  # pixels; a small file can claim to be a picture of any size
_USUAL = 16_000_000  # pixels; larger pictures are made smaller as they are read
_BLOCK = 1 << 18  # pixels that are computed with at once
_WORKING = 280  # pixels of the longer side at most when ink is looked for: evens out grain
_FLOOR = 0.1  # of the darkest ink: what is fainter is paper, or the noise of a JPEG
_EDGE = 0.25  # of the darkest ink: where a blurred stroke ends
_APART = "expected one digit, found several pieces of ink far apart, which are read as one"
_NUMBERS = (int, float, np.integer, np.floating)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
# read by Pillow itself, without the help of other programs
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM")


@named
def read_digit(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read a picture of one digit and prepare it for a network.

    Parameters
    ----------
    path : str or path-like
        A PNG, JPEG, BMP, GIF, TIFF or PPM file of any size, grey or coloured, light on dark or
        dark on light, or an ``.npy`` file with one such picture (see `prepare`). Of a
        transparent picture the transparent part is background; an EXIF orientation is obeyed.

    Returns
    -------
    ndarray of uint8, shape (784,)
        28 x 28 pixels, row by row; 0 is background, 255 ink.

    Raises
    ------
    ImportError
        If the file needs Pillow and that isn't installed.
    OSError
        If the file can't be read.
    ValueError
        If it isn't such a picture, is blank, holds several, or has over 64 million pixels.

    Warns
    -----
    UserWarning
        If several pieces of ink lie far apart: they are prepared as one digit.

    Notes
    -----
    A file of over 16 million pixels is made smaller as it is read, which takes less memory.
    """
    found = read_digits(path)
    if len(found) != 1:
        raise ValueError(f"{os.fspath(path)}: expected one picture, found a stack of {len(found)}")
    digit: NDArray[np.uint8] = found[0]
    return digit


@named
def read_digits(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read a picture, or an ``.npy`` file with a stack of them, and prepare each.

    Parameters
    ----------
    path : str or path-like
        As for `read_digit`; also an ``.npy`` file of shape (n, 784) or (n, 28, 28).

    Returns
    -------
    ndarray of uint8, shape (n, 784)
        As of `read_digit`, one row for each picture.

    Raises
    ------
    ImportError, OSError, ValueError
        As `read_digit`.
    """
    name = os.fspath(path)
    stack = _read_npy(name) if name.lower().endswith(".npy") else [_read_picture(name)]
    prepared = np.empty((len(stack), _SIDE * _SIDE), np.uint8)
    for i, picture in enumerate(stack):
        try:
            prepared[i], apart = _prepared(picture, None)
        except (ValueError, TypeError) as e:
            where = name if len(stack) == 1 else f"{name}[{i}]"
            raise ValueError(f"{where}: {e}") from None
        if apart:
            where = name if len(stack) == 1 else f"{name}[{i}]"
            warnings.warn(f"{where}: {_APART}", stacklevel=callers_level())
    return prepared


@named
def prepare(array: ArrayLike, *, background: float | None = None) -> NDArray[np.uint8]:
    """Prepare a picture of one digit for a network.

    Parameters
    ----------
    array : array, shape (784,), (h, w), (h, w, 1), (h, w, 3) or (h, w, 4)
        Grey, RGB or RGBA, light on dark or dark on light. Whole numbers span 0 to 255, or to 65535
        where one of them is above 255; others span 0 to 1, or to 255 where one of them is above 1.
        (784,) is 28 x 28, row by row.
    background : float, optional
        How light the paper is, from 0 (black) to 1 (white), where that is known. By default most of
        the border tells, also how unevenly light falls on the paper, and ink along all of it would
        be taken for paper.

    Returns
    -------
    ndarray of uint8, shape (784,)
        28 x 28 pixels, row by row; 0 is background, 255 ink. A grey uint8 picture of 28 x 28,
        light on dark, comes back as it is.

    Raises
    ------
    TypeError
        If `array` isn't of real numbers.
    ValueError
        If it has another shape, over 64 million pixels, NaN or infinite values, or is blank, or if
        `background` is no number from 0 to 1.

    Warns
    -----
    UserWarning
        As `read_digit`, if no `background` is given.
    """
    prepared, apart = _prepared(array, background)
    if apart and background is None:
        warnings.warn(f"array: {_APART}", stacklevel=callers_level())
    return prepared


def _prepared(array: ArrayLike, background: float | None) -> tuple[NDArray[np.uint8], bool]:
    """Return a picture prepared, and whether its ink lies in several pieces far apart."""
    if background is not None and not (isinstance(background, _NUMBERS) and 0 <= background <= 1):
        raise ValueError(f"background: expected a number from 0 to 1, found {background!r}")
    refuse_batches("array", array)
    a = np.asarray(array)
    if a.dtype.kind not in "fiub":
        raise TypeError(f"expected a picture of real numbers, found an array of {a.dtype}")
    if a.shape == (_SIDE * _SIDE,):
        a = a.reshape(_SIDE, _SIDE)
    if not (a.ndim == 2 or (a.ndim == 3 and a.shape[2] in (1, 3, 4))) or a.size == 0:
        raise ValueError(
            f"expected a picture of shape (784,), (h, w), (h, w, 3) or (h, w, 4), found {a.shape}"
        )
    _check_pixels(a.shape[1], a.shape[0])
    grey = _grey(a)
    known = background is not None
    if background is None:
        background = _background(grey)
    plain = _coarse(grey, -(-max(grey.shape) // _WORKING))
    above, below = float(plain.max()) - background, background - float(plain.min())
    found = ink.of(plain, background, known=known)
    if found is None:
        raise ValueError("expected a digit, found a blank picture")
    if a.shape == (_SIDE, _SIDE) and a.dtype == np.uint8 and above > below:
        return a.reshape(-1).copy(), False
    found[found < _FLOOR] = 0
    return _centred(_boxed(found)), ink.far_apart(found > _EDGE)


def _grey(a: NDArray[Any]) -> NDArray[np.float32]:
    """Return an array as (h, w) from 0 to 1, over what makes its ink stand out if transparent."""
    parts = _row_blocks(a)
    if a.dtype.kind == "f":
        if not all(np.isfinite(a[part]).all() for part in parts):
            raise ValueError("expected finite values, found NaN or infinity")
        top = 1.0 if a.max() <= 1 else 255.0
    elif a.dtype.kind == "b":
        top = 1.0
    else:
        top = 255.0 if a.dtype.itemsize == 1 or a.max() <= 255 else 65535.0
    low, high = a.min(), a.max()
    if low < 0 or high > top:
        raise ValueError(f"expected values from 0 to {top:g}, found {low:g} to {high:g}")
    grey = np.empty(a.shape[:2], np.float32)
    seen = opaque = 0.0
    for part in parts:
        scaled = _scaled(a[part], top)
        if scaled.ndim == 2:
            grey[part] = scaled
        elif scaled.shape[2] == 1:
            grey[part] = scaled[..., 0]
        else:
            grey[part] = scaled[..., :3] @ _LUMA
        if scaled.shape[2:] == (4,):
            grey[part] *= scaled[..., 3]
            seen += float(grey[part].sum(dtype=np.float64))
            opaque += float(scaled[..., 3].sum(dtype=np.float64))
    if a.shape[2:] == (4,):
        # the background is what the mean of all that can be seen is farther from
        light = opaque > 0 and seen / opaque > 0.5
        for part in () if light else parts:
            grey[part] += 1 - _scaled(a[part][..., 3], top)
    return grey


def _row_blocks(a: NDArray[Any]) -> list[slice]:
    """Return a picture's rows some at a time: as floats it would be many times as large."""
    size = max(1, _BLOCK // a.shape[1])
    return [slice(i, i + size) for i in range(0, len(a), size)]


def _scaled(a: NDArray[Any], top: float) -> NDArray[np.float32]:
    """Return values from 0 to 1."""
    scaled: NDArray[np.float32] = a.astype(np.float32)
    scaled /= np.float32(top)
    return scaled


def _background(grey: NDArray[np.float32]) -> float:
    """Return the level of most of the border, which strokes may touch or cross."""
    ring = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return float(np.median(ring))


def _coarse(a: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """Return the means of blocks of k x k pixels, smaller ones at the end."""
    if k == 1:
        return a
    for axis in (0, 1):
        starts = np.arange(0, a.shape[axis], k)
        counts = np.diff(starts, append=a.shape[axis]).astype(np.float32)
        sums = np.add.reduceat(a, starts, axis=axis)
        a = (sums / np.expand_dims(counts, 1 - axis)).astype(np.float32)
    return a


def _shrink(a: NDArray[np.float32], longest: int) -> NDArray[np.float32]:
    """Resize so that the longer side becomes `longest`."""
    scale = longest / max(a.shape)
    h, w = (max(1, min(longest, round(n * scale))) for n in a.shape)
    resized = _weights(a.shape[0], h) @ a @ _weights(a.shape[1], w).T
    return resized.astype(np.float32)


def _weights(n: int, m: int) -> NDArray[np.float32]:
    """Return the (m, n) matrix that resizes a line: by the mean over areas, or linearly if up."""
    scale = n / m
    shares: NDArray[Any]
    if scale >= 1:
        start = np.arange(m)[:, None] * scale
        i = np.arange(n)
        shares = np.minimum(start + scale, i + 1) - np.maximum(start, i)
    else:
        centre = np.clip((np.arange(m)[:, None] + 0.5) * scale - 0.5, 0, n - 1)
        shares = 1 - np.abs(centre - np.arange(n))
    part: NDArray[np.float32] = np.maximum(shares, 0).astype(np.float32)
    part /= part.sum(axis=1, keepdims=True)
    return part


def _boxed(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut out the ink and fit it into the box."""
    solid = ink > _EDGE
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    return _shrink(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], _BOX)


def _centred(ink: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Place ink by its centre of mass at pixel (14, 14), where MNIST has it, as whole pixels."""
    ink = ink / ink.max()
    total = float(ink.sum())
    corner = []
    for n, mass in zip(ink.shape, (ink.sum(axis=1), ink.sum(axis=0)), strict=True):
        centre = float(mass @ np.arange(n, dtype=np.float32)) / total
        corner.append(min(max(0, round(_SIDE / 2 - centre)), _SIDE - n))
    out = np.zeros((_SIDE, _SIDE), np.uint8)
    top, left = corner
    out[top : top + ink.shape[0], left : left + ink.shape[1]] = np.rint(255 * ink)
    return out.reshape(-1)


def _check_pixels(width: int, height: int) -> None:
    if width * height > _LARGEST:
        raise ValueError(
            f"expected a picture of at most {_LARGEST:,} pixels, found {width:,} x {height:,}"
        )


def _read_npy(name: str) -> list[NDArray[Any]]:
    with open(name, "rb") as file:
        try:
            with reading(file, "an .npy file", "an .npy file of plain numbers"):
                # mapped, so that a header that claims too much is found before memory is asked for
                found = np.load(name, mmap_mode="r", allow_pickle=False)
        except ValueError as e:
            raise ValueError(f"{name}: {e}") from None
    if (found.ndim == 2 and found.shape[1] == _SIDE * _SIDE) or (
        found.ndim == 3 and found.shape[1:] == (_SIDE, _SIDE)
    ):
        if len(found) == 0:
            raise ValueError(f"{name}: expected at least one picture, found none")
        return list(np.asarray(found))
    return [np.asarray(found)]


def _read_picture(name: str) -> NDArray[Any]:
    with open(name, "rb") as file:  # the plain error where there is no such file, Pillow or not
        need("PIL.Image", "images", "reading pictures")
        from PIL import Image, ImageOps, UnidentifiedImageError

        try:
            with warnings.catch_warnings():
                # Pillow warns of, or refuses, what `_check_pixels` refuses in our words
                warnings.simplefilter("ignore")
                with Image.open(file, formats=_FORMATS) as image:
                    _check_pixels(*image.size)
                    if _factor(image) > 1:  # only a JPEG can be read smaller than it is
                        factor, (width, height) = _factor(image), image.size
                        image.draft(None, (width // factor, height // factor))
                    ImageOps.exif_transpose(image, in_place=True)
                    return _pixels(image)
        except UnidentifiedImageError:
            raise ValueError(
                f"{name}: expected a picture ({', '.join(_FORMATS)}), found something else"
            ) from None
        except Image.DecompressionBombError as e:
            raise ValueError(f"{name}: expected a picture of reasonable size, found: {e}") from None
        except MemoryError:
            raise
        except Exception as e:  # a damaged file makes the decoders raise nearly anything
            text = str(e) or type(e).__name__
            if not isinstance(e, ValueError) or not text.startswith("expected"):
                text = f"expected a whole picture, found damage: {text}"
            raise ValueError(f"{name}: {text}") from None


def _pixels(image: Any) -> NDArray[Any]:
    """Return a picture of any of Pillow's modes as (h, w), (h, w, 3) or (h, w, 4)."""
    mode = image.mode
    if mode.startswith(("I", "F")):
        return np.asarray(image)
    if mode in ("RGBA", "LA", "La", "PA", "RGBa") or "transparency" in image.info:
        return _converted(image, "RGBA")
    return _converted(image, "L" if mode in ("L", "1") else "RGB")


def _factor(image: Any) -> int:
    """Return the side of the squares whose mean stands for a pixel of a picture too large."""
    width, height = image.size
    return math.ceil(math.sqrt(width * height / _USUAL))


def _converted(image: Any, mode: str) -> NDArray[Any]:
    """Return a picture in one of the plain modes, some rows at a time made smaller if too large."""
    width, height = image.size
    k = _factor(image)
    if k == 1:
        return np.asarray(image.convert(mode))
    size = k * max(1, _BLOCK // (width * k))
    parts = (
        image.crop((0, top, width, min(top + size, height))).convert(mode).reduce(k)
        for top in range(0, height, size)
    )
    return np.concatenate([np.asarray(part) for part in parts])

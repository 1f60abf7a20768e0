"""What is ink in a picture, and what is paper: also where light falls unevenly on it."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

FAINTEST = 0.04  # of the full range: less contrast than this is a blank picture
_SMALLEST = 16  # pixels of a side: of smaller pictures the border says too little
_BORDER = 0.08  # of the shorter side: how thick the border is to which the paper's light is fitted
_EVEN = 0.02  # of the full range: half of an even border is nearer to its median than this
_STEPS = 15  # of the fit
_SPECK = 0.1  # of all ink: less is no piece of its own
_GAP, _WIDE = 0.3, 1.6  # between pieces, of the longest side of one; a digit's width, of its height
_WINDOW = 0.25  # of the shorter side: wider than strokes, narrower than shadows
_OFF = 0.06  # of the full range: the border's light may differ by that from what was fitted
_LIT = 0.04  # of the border or the picture: more that is lighter than was fitted is another light
_SHADED = (
    0.27  # of the border: more that is darker is a shadow; strokes that the edges cut are less
)
_AS_INK = 0.25  # of the contrast: what is nearer to the ink than that is ink, at the border too
_SEEN, _AROUND = 50, 0.4  # lines that tell ink from paper, and the window, of the shorter side
_DARKEST = 0.02  # of the full range: the paper's light is taken to be at least that


def of(plain: NDArray[np.float32], background: float, *, known: bool) -> NDArray[np.float32] | None:
    """Return how much ink is where, from 0 to 1 in its darkest place; None of a blank picture.

    Parameters
    ----------
    plain : (h, w) array
        The picture, from 0 to 1.
    background : float
        How light the paper is.
    known : bool
        Whether it is that everywhere. Else a surface of second degree is fitted to the paper, and
        where light falls unevenly, that is what ink is compared with: dark ink by its ratio to the
        paper around it (a shadow takes the same share of light from both), light ink by its
        difference. Where wide parts of the border are far from that surface, as with the edge of a
        shadow or a lamp's spot, it is compared with the paper nearby.
    """
    paper = None
    if not known and min(plain.shape) >= _SMALLEST:
        paper = _light(plain, background)
        nearby = _nearby(plain, background if paper is None else paper)
        paper = paper if nearby is None else nearby
    if paper is None:
        above, below = float(plain.max()) - background, background - float(plain.min())
        if max(above, below) < FAINTEST:
            return None
        ink = plain - background if above > below else background - plain
        ink /= max(above, below)
        return ink
    ink = plain - paper
    above, below = float(ink.max()), -float(ink.min())
    if max(above, below) < FAINTEST:
        return None
    if below >= above:
        ink /= -np.maximum(paper, _DARKEST)
    ink /= ink.max()
    return ink


def far_apart(solid: NDArray[np.bool_]) -> bool:
    """Return whether ink lies in pieces far apart, side by side or one above the other.

    They are if a gap is wide beside them, or if all together is wider than a digit is. Pieces with
    less than a tenth of the ink are specks, or strokes of one digit.
    """
    for axis, other in ((0, 1), (1, 0)):
        line = solid.sum(axis=axis)
        inked = np.flatnonzero(line)
        cuts = np.flatnonzero(np.diff(inked) > 1)
        starts, ends = inked[np.r_[0, cuts + 1]], inked[np.r_[cuts, len(inked) - 1]]
        pieces = [
            (int(a), int(b))
            for a, b in zip(starts, ends, strict=True)
            if line[a : b + 1].sum() >= _SPECK * line.sum()
        ]
        if len(pieces) < 2:
            continue
        across = np.flatnonzero(solid.any(axis=other))
        long = max(int(np.ptp(across)) + 1, *(b - a + 1 for a, b in pieces))
        gap = max(b[0] - a[1] - 1 for a, b in pairwise(pieces))
        wide = axis == 0 and pieces[-1][1] - pieces[0][0] + 1 > _WIDE * (np.ptp(across) + 1)
        if gap >= _GAP * long or wide:
            return True
    return False


def _border(h: int, w: int) -> NDArray[np.bool_]:
    """Return which pixels are those of the border."""
    edge = max(1, round(_BORDER * min(h, w)))
    border = np.ones((h, w), bool)
    border[edge:-edge, edge:-edge] = False
    return border


def _light(plain: NDArray[np.float32], background: float) -> NDArray[np.float32] | None:
    """Return how light the paper is at each pixel, or None where it is even."""
    h, w = plain.shape
    border = _border(h, w)
    seen = plain[border].astype(np.float64)
    spread = float(np.median(np.abs(seen - background)))
    if spread < _EVEN:
        return None
    y, x = (np.linspace(-1, 1, n) for n in (h, w))
    x, y = np.meshgrid(x, y)
    terms = np.stack([np.ones((h, w)), x, y, x * y, x * x, y * y], axis=-1)
    at = terms[border]
    fitted: NDArray[Any] = np.array([background, 0, 0, 0, 0, 0], np.float64)
    for _ in range(_STEPS):  # least absolute deviations, by weighted least squares
        weighted = at.T / np.maximum(np.abs(seen - at @ fitted), 1e-3)
        fitted = np.linalg.solve(weighted @ at, weighted @ seen)
    if float(np.median(np.abs(seen - at @ fitted))) > spread / 2:
        return None
    paper: NDArray[np.float32] = (terms @ fitted).astype(np.float32)
    return paper


def _nearby(
    plain: NDArray[np.float32], paper: float | NDArray[np.float32]
) -> NDArray[np.float32] | None:
    """Return how light the paper is near each pixel, or None if `paper` says it as well.

    A closing (Serra, "Image analysis and mathematical morphology", 1982) fills what is dark and
    narrower than a window in all its places, as strokes are, and keeps wider shadows and their
    edges; an opening does the same to what is light.
    """
    size = max(3, round(_WINDOW * min(plain.shape)))
    dark = _is_darker(plain)
    seen = plain if dark else -plain  # light ink is dark on the negative
    level = np.broadcast_to(np.asarray(paper if dark else -paper, np.float32), plain.shape)
    closed, opened = _closed(seen, size), -_closed(-seen, size)
    border, most = _border(*plain.shape), float(seen.min())
    shade = (closed < level - _OFF) & (closed > most + _AS_INK * (level - most))
    lit = opened > level + _OFF
    most_lit = max(float(lit[border].mean()), float(lit.mean()))
    if float(shade[border].mean()) < _SHADED and most_lit < _LIT:
        return None
    closed -= np.median(closed - seen)  # the noise that it has taken the largest values of
    return closed if dark else -closed


def _is_darker(plain: NDArray[np.float32]) -> bool:
    """Return whether ink is darker than the paper: what is far from the median around it is ink."""
    step = max(1, min(plain.shape) // _SEEN)
    few = plain[::step, ::step]
    size = round(_AROUND * min(few.shape)) | 1
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(few, size // 2, mode="edge"), (size, size)
    )
    far = few - np.median(windows, axis=(-2, -1))
    return float((far * abs(far)).sum()) < 0


def _closed(a: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return the closing by squares, which may lie partly beyond the edges."""
    beyond = size - 1
    found = np.pad(a, beyond, constant_values=-np.inf)
    for extreme in (np.max, np.min):
        for axis in (0, 1):
            windows = np.lib.stride_tricks.sliding_window_view(found, size, axis=axis)
            found = extreme(windows, axis=-1)
    return found

"""Arguments checked and converted: the one place where an array is copied, and the sentences.

Every function returns what the compiled core takes, or raises one sentence that says what was
expected and what was found, before anything is changed.
"""

import math
import operator
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._seed import seed_key

Array = NDArray[Any]


def choice(name: str, value: object, allowed: Sequence[str]) -> str:
    """Return `value` if it is one of `allowed`; else say which there are, the near ones first."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected a name, found {value!r}")
    if value in allowed:
        return value
    from .synonyms import hint

    raise ValueError(
        f"{name}: found {value!r}, {hint(name, value, allowed)}"
        f"expected one of {', '.join(repr(a) for a in allowed)}"
    )


def ordered(name: str, value: Any) -> Any:
    """Return the value unless it is a set or a dict, whose order says nothing."""
    if isinstance(value, (Set, Mapping)):
        raise TypeError(f"{name}: expected a sequence, found a {type(value).__name__}: {value!r}")
    return value


def whole(name: str, value: object, low: int, high: int | None = None) -> int:
    """Return `value` as an int of at least `low` and at most `high`."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        n = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name}: expected a whole number, found {value!r}") from None
    if n < low or (high is not None and n > high):
        limits = f"at least {low}" if high is None else f"{low} to {high}"
        raise ValueError(f"{name}: expected {limits}, found {n}")
    return n


def number(name: str, value: object, low: float, high: float, *, open_low: bool = False) -> float:
    """Return value as a float within [low, high), or (low, high) if open_low."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a real number, found {value!r}")
    number = float(value)
    if math.isfinite(number) and (low < number if open_low else low <= number) and number < high:
        return number
    interval = f"{'above' if open_low else 'at least'} {low:g}"
    if high != math.inf:
        interval += f" and below {high:g}"
    raise ValueError(f"{name}: expected a finite number {interval}, found {value!r}")


def flag(name: str, value: object) -> bool:
    """Return a bool as one of Python's."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected True or False, found {value!r}")
    return bool(value)


def path(name: str, value: Any) -> str:
    """Return the path of a file as a str."""
    try:
        found = os.fspath(value)
    except TypeError:
        found = None
    if not isinstance(found, str):
        raise TypeError(f"{name}: expected a str or a path, found {value!r}")
    return found


def layer_sizes(sizes: object, itemsize: int) -> tuple[int, ...]:
    """Return sizes as a tuple of at least two positive ints whose parameters fit the memory."""
    if isinstance(sizes, (str, bytes)) or not isinstance(sizes, (Iterable, np.ndarray)):
        raise TypeError(f"sizes: expected a sequence of whole numbers, found {sizes!r}")
    checked = tuple(whole(f"sizes[{i}]", n, 1) for i, n in enumerate(ordered("sizes", sizes)))
    if len(checked) < 2:
        raise ValueError(f"sizes: expected at least 2 (inputs and outputs), found {len(checked)}")
    needed = itemsize * sum((o + 15) // 16 * 16 * (i + 1) for i, o in pairwise(checked))
    limit = _memory()
    if needed > limit:
        raise ValueError(
            f"sizes: expected parameters that fit this machine's {limit:,} bytes of memory, "
            f"found {needed:,} bytes for {checked}"
        )
    return checked


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 46


def dtype(value: object) -> np.dtype[Any]:
    """Return float32 or float64 as a NumPy dtype."""
    try:
        d: np.dtype[Any] = np.dtype(value)  # type: ignore[call-overload]
    except TypeError:
        raise TypeError(f"dtype: expected float32 or float64, found {value!r}") from None
    if d not in (np.dtype(np.float32), np.dtype(np.float64)) or not d.isnative:
        raise ValueError(f"dtype: expected float32 or float64, found {d}")
    return d


def real_array(name: str, value: object) -> Array:
    """Return value as an array of real numbers, not yet converted."""
    try:
        a = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name}: expected numbers, found rows of unequal length") from None
    if a.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, found an array of dtype {a.dtype}")
    return a


def finite(name: str, values: Array, where: str = "") -> Array:
    """Return the values if none of them is NaN or infinite; `where` ends the sentence if one is."""
    bad = ~np.isfinite(values)
    if bad.any():
        raise ValueError(f"{name}: expected finite numbers, found {values[bad][0]}{where}")
    return values


def inputs(
    x: ArrayLike,
    n: int,
    want: np.dtype[Any],
    *,
    copy: bool | None = None,
    mapped: bool = False,
) -> Array:
    """Return x as (rows, n) of the wanted dtype or uint8 with unit stride in the rows.

    An array that is such, aligned, comes back as a view of itself, whatever its row stride;
    anything else is converted, once, here; with ``copy=False`` that is a ValueError. If `mapped`, a
    memory-mapped file of other numbers, in any byte order, comes back as it is, too, to be
    converted row by row.
    """
    a = real_array("x", x)
    if a.ndim not in (1, 2) or a.shape[-1] != n:
        raise ValueError(f"x: expected shape ({n},) or (rows, {n}), found {a.shape}")
    if a.ndim == 1:
        a = a[np.newaxis, :]
    rows, item = a.shape[0], a.itemsize
    fits = (
        a.dtype in (want, np.dtype(np.uint8))
        and (rows == 0 or (a.flags.aligned and (n == 1 or a.strides[1] == item)))
        and (rows < 2 or a.strides[0] % item == 0)
    )
    if copy is False and not (fits and isinstance(x, np.ndarray)):
        found = f"{a.dtype} with strides {a.strides}"
        raise ValueError(
            f"x: expected, with copy=False, an aligned array of {want} or uint8 with unit stride "
            f"in its rows, found {found if isinstance(x, np.ndarray) else type(x).__name__}"
        )
    if fits and copy is not True:
        return a
    if mapped and _is_mapped(x):
        return a
    return np.array(a, want if a.dtype != np.uint8 else np.uint8, order="C", copy=True)


def _is_mapped(x: object) -> bool:
    """Whether x lies in a memory-mapped file, in numbers that the core can convert."""
    readable = isinstance(x, np.ndarray) and x.itemsize <= 8
    while isinstance(x, np.ndarray) and not isinstance(x, np.memmap):
        x = x.base
    return readable and isinstance(x, np.memmap)


def blocks(values: Array) -> Iterator[tuple[int, Array]]:
    """Give some rows at a time, each time with the first's number: all may be more than memory."""
    size = max(1, (1 << 18) // values.shape[1])
    for i in range(0, len(values), size):
        yield i, values[i : i + size]


def targets(
    y: ArrayLike, rows: int, n: int, want: np.dtype[Any], loss: str, what: str = "y"
) -> tuple[NDArray[np.int64] | None, Array | None]:
    """Return (labels, None) or (None, values): class labels (rows,) or values (rows, n).

    Values are of the wanted dtype or, in a memory-mapped file, as they are.
    """
    a = real_array(what, y)
    if a.ndim == 0:
        a = a[np.newaxis]
    if a.ndim == 1 and n == 1:
        a = a[:, np.newaxis]
    if a.ndim == 1 and a.shape[0] == rows and n > 1:
        return _labels(a, n, what), None
    if a.ndim != 2 or a.shape != (rows, n):
        labels = f"({rows},) of class labels or " if n > 1 else f"({rows},) or "
        raise ValueError(f"{what}: expected shape {labels}({rows}, {n}), found {a.shape}")
    if not _is_mapped(y):
        a = np.ascontiguousarray(a, want)
    for i, block in blocks(a):
        with np.errstate(over="ignore"):  # what becomes infinite is found
            _check_values(np.asarray(block, want), i, loss, what)
    return None, a


def _check_values(values: Array, first: int, loss: str, what: str) -> None:
    """Refuse rows of targets, the first of this number, that don't go with the loss."""
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise ValueError(
            f"{what}: expected finite values, found {values[row]} in row {first + row}"
        )
    if loss == "cross_entropy":
        bad = (values < 0).any(axis=1) | (np.abs(values.sum(axis=1) - 1) > 1e-3)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise ValueError(
                f"{what}: expected, for cross_entropy, class labels or rows of probabilities that "
                f"sum to 1, found {values[row]} in row {first + row}"
            )
    elif loss == "binary_cross_entropy" and ((values < 0) | (values > 1)).any():
        found = values[(values < 0) | (values > 1)][0]
        raise ValueError(
            f"{what}: expected, for binary_cross_entropy, values from 0 to 1, found {found}"
        )
    elif loss == "poisson" and (values < 0).any():
        raise ValueError(
            f"{what}: expected, for poisson, values of at least 0, found {values[values < 0][0]}"
        )


def _labels(a: Array, n: int, what: str) -> NDArray[np.int64]:
    if a.dtype.kind == "f":
        bad = ~np.isfinite(a) | (a != np.floor(a))
        if bad.any():
            raise ValueError(
                f"{what}: expected whole class labels from 0 to {n - 1}, found {a[bad][0]}"
            )
    bad = (a < 0) | (a >= n)
    if bad.any():
        raise ValueError(f"{what}: expected class labels from 0 to {n - 1}, found {a[bad][0]}")
    return np.ascontiguousarray(a, np.int64)


def sample_weights(
    w: ArrayLike | None, rows: int, want: np.dtype[Any], *, zeros: bool = False
) -> Array | None:
    """Return weights as (rows,) of the wanted dtype: finite, at least 0.

    Only zeros are refused unless `zeros`.
    """
    if w is None:
        return None
    a = real_array("sample_weight", w)
    if a.shape != (rows,):
        raise ValueError(f"sample_weight: expected shape ({rows},), found {a.shape}")
    if not np.isfinite(a).all() or (a < 0).any():
        found = a[~np.isfinite(a) | (a < 0)][0]
        raise ValueError(f"sample_weight: expected finite weights of at least 0, found {found}")
    return weights_of_rows("sample_weight", a, want, zeros=zeros)


def weights_of_rows(name: str, w: Array, want: np.dtype[Any], *, zeros: bool = False) -> Array:
    """Return finite weights as an array of the wanted dtype that sums of losses by them fit."""
    most = 1e30 if want.itemsize == 4 else 1e300
    total = float(np.sum(w, dtype=np.float64))
    if total > most:
        raise ValueError(f"{name}: expected weights that sum to at most {most:g}, found {total:g}")
    a = np.ascontiguousarray(w, want)
    if a.size and not zeros and not a.any():
        raise ValueError(f"{name}: expected a weight above 0, found only zeros")
    return a


def rows(given: ArrayLike, n: int) -> NDArray[np.int64]:
    """Return row numbers from 0 to n - 1 as (rows,) int64, a copy: the caller's may change."""
    a = np.asarray(given)
    if a.ndim != 1 or (a.dtype.kind not in "iu" and a.size):
        raise ValueError(
            f"rows: expected shape (n,) of whole numbers, found {a.shape} of {a.dtype}"
        )
    if a.size and not (a.min() >= 0 and a.max() < n):
        found = a.min() if a.min() < 0 else a.max()
        raise ValueError(f"rows: expected row numbers from 0 to {n - 1}, found {found}")
    return np.array(a, np.int64)


def output_weights(given: Sequence[float] | None, outputs: int, loss: str) -> list[float]:
    """Return what each output's part of the loss counts, nothing for the same."""
    if given is None:
        return []
    if loss == "cross_entropy":
        raise ValueError(
            "output_weights: expected a loss that is a sum over outputs, found cross_entropy "
            "(class_weight weighs classes)"
        )
    weights = real_array("output_weights", given).astype(np.float64)
    if weights.shape != (outputs,):
        raise ValueError(f"output_weights: expected shape ({outputs},), found {weights.shape}")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(f"output_weights: expected finite weights of at least 0, found {given!r}")
    return [float(w) for w in weights]


def dropout(hidden: object, inputs: object, n: int) -> tuple[float, ...]:
    """Return the rate at which each layer's inputs are dropped, given n hidden layers."""
    if isinstance(hidden, (Sequence, np.ndarray)):
        rates = [number("dropout", rate, 0.0, 1.0) for rate in hidden]
    else:
        rates = [number("dropout", hidden, 0.0, 1.0)] * n
    if n == 0 and not isinstance(hidden, Sequence) and hidden != 0:
        raise ValueError(
            "dropout: expected 0 without hidden layers (input_dropout is of the inputs), "
            f"found {hidden!r}"
        )
    if len(rates) != n:
        raise ValueError(
            f"dropout: expected {n} rates, one for each hidden layer, found {len(rates)}"
        )
    return number("input_dropout", inputs, 0.0, 1.0), *rates


def key(rng: object) -> int:
    """Return the 64-bit key of our own generator for whatever numpy.random.default_rng takes."""
    if isinstance(rng, (bool, np.bool_, float, str, bytes)):
        raise TypeError(f"rng: expected None, whole numbers or a NumPy generator, found {rng!r}")
    if rng is None:
        return seed_key(int.from_bytes(os.urandom(16), "little"))
    if isinstance(rng, (int, np.integer)) and rng >= 0:
        return seed_key(int(rng))
    if isinstance(rng, np.random.Generator):
        rng = rng.bit_generator
    if isinstance(rng, np.random.BitGenerator):
        high, low = (int(v) & 0xFFFFFFFF for v in rng.random_raw(2))
        return high << 32 | low
    try:
        seed = rng if isinstance(rng, np.random.SeedSequence) else np.random.SeedSequence(rng)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(
            f"rng: expected None, whole numbers of at least 0 or a NumPy generator, found {rng!r}"
        ) from None
    # fixed for all versions of NumPy by its compatibility policy (NEP 19)
    return int(seed.generate_state(1, np.uint64)[0])


def output_kind(output: str) -> Literal["classifier", "regressor"]:
    """Return what predict and score make of a network with this output."""
    return "classifier" if output in ("softmax", "sigmoid") else "regressor"

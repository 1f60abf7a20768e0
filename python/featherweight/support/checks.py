"""Arguments checked and converted: the one place where an array is copied, and the sentences.

Every function returns what the compiled core takes, or raises one sentence that says what was
expected and what was found, before anything is changed.
"""

import math
import operator
import os
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import nullcontext, suppress
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import _core
from .imports import ending, ensure_imported
from .seed import seed_key

Array = NDArray[Any]

_SMALL = 1 << 16  # numbers that are converted while others wait for the interpreter
_PLAIN = (np.ndarray, list, tuple, int, float)


def choice(name: str, value: object, allowed: Sequence[str]) -> str:
    """Return `value` if it is one of `allowed`; else say which there are, the near ones first."""
    if isinstance(value, str) and value in allowed:
        return value
    ensure_imported(".support.synonyms")
    from .synonyms import hint, hint_of_object

    if not isinstance(value, str):
        raise TypeError(
            f"{name}: expected a name, found {brief(value)}{hint_of_object(name, value, allowed)}"
        )
    raise ValueError(
        f"{name}: found {value!r}, {hint(name, value, allowed)}"
        f"expected one of {', '.join(repr(a) for a in allowed)}"
    )


def counted(n: int, noun: str) -> str:
    """Return a number with its noun: 1 row, 2 rows."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def brief(value: object) -> str:
    """Return what a sentence says of a value: its repr if that is short, of an array its shape."""
    shape = getattr(value, "shape", ())
    if isinstance(shape, tuple) and shape:
        kind = "array" if isinstance(value, np.ndarray) else type(value).__name__
        return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind} of shape {shape}"
    text = repr(value)
    if ending():
        text = " ".join(text.split())
    elif len(text) > 120 or "\n" in text:
        from reprlib import repr as short

        text = " ".join(short(value).split())
    return text if len(text) <= 120 else f"{text[:117]}..."


def ordered(name: str, value: Any) -> Any:
    """Return the value unless it is a set or a dict, whose order says nothing.

    A dict's keys are a set, too, but one in an order.
    """
    unordered = isinstance(value, Set) and not hasattr(value, "__reversed__")
    if unordered or isinstance(value, Mapping):
        raise TypeError(
            f"{name}: expected a sequence, found a {type(value).__name__}: {brief(value)}"
        )
    return value


def whole(name: str, value: object, low: int, high: int | None = None) -> int:
    """Return `value` as an int of at least `low` and at most `high`."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        n = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name}: expected a whole number, found {brief(value)}") from None
    if n < low or (high is not None and n > high):
        limits = f"at least {low}" if high is None else f"{low} to {high}"
        raise ValueError(f"{name}: expected {limits}, found {n}")
    return n


def number(name: str, value: object, low: float, high: float, *, open_low: bool = False) -> float:
    """Return value as a float within [low, high), or (low, high) if open_low."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a real number, found {brief(value)}")
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
        raise TypeError(f"{name}: expected True or False, found {brief(value)}")
    return bool(value)


def path(name: str, value: Any) -> str:
    """Return the path of a file as a str."""
    try:
        found = os.fspath(value)
    except TypeError:
        found = None
    if not isinstance(found, str):
        raise TypeError(f"{name}: expected a str or a path, found {brief(value)}")
    if "\0" in found:
        raise ValueError(f"{name}: expected a path without null characters, found {found!r}")
    return found


def layer_sizes(sizes: object, itemsize: int) -> tuple[int, ...]:
    """Return sizes as a tuple of at least two positive ints whose parameters fit the memory."""
    if isinstance(sizes, (str, bytes)) or not isinstance(sizes, (Iterable, np.ndarray)):
        raise TypeError(f"sizes: expected a sequence of whole numbers, found {brief(sizes)}")
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
        raise TypeError(f"dtype: expected float32 or float64, found {brief(value)}") from None
    if d not in (np.dtype(np.float32), np.dtype(np.float64)) or not d.isnative:
        raise ValueError(f"dtype: expected float32 or float64, found {d}")
    return d


def real_array(name: str, value: object) -> Array:
    """Return value as an array of real numbers, not yet converted."""
    of_objects = isinstance(value, (list, tuple)) and value and type(value[0]) not in _PLAIN
    if type(value) in _PLAIN and not of_objects:
        with suppress(ValueError):  # said below
            a = np.asarray(value)
            if a.dtype.kind in "fiub":
                return a
    ensure_imported(".support.tables")
    from . import tables

    return tables.read(name, value)


@cache
def _float32_of_halves() -> NDArray[np.float32]:
    """Return every float16 as float32, by its bits: NumPy takes long for subnormal ones."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


def converted(
    name: str, a: Array, want: DTypeLike, *, held: bool = True, given: object = None
) -> Array:
    """Return numbers as the core reads them: of this dtype, in C order, aligned, and plain.

    The one place where arrays are converted; one that is such is returned itself. What the dtype
    doesn't hold is refused, or infinite if `held` is False. The sentence names columns if the
    array was `given` as a table.
    """
    if a.dtype == want and a.flags.c_contiguous and a.flags.aligned:
        return a
    small = a.size <= _SMALL and a.dtype == np.float64 and want == np.float32
    if small and a.flags.c_contiguous and a.flags.aligned:
        narrowed = _core.to_float32(a)  # NumPy's way would take longer than a small network
        if narrowed is not None:
            return narrowed
    if a.dtype.kind == "f" and a.itemsize == 2:
        a = _float32_of_halves()[a.astype(np.float16, copy=False).view(np.uint16)]
    may_overflow = a.dtype.kind == "f" and a.itemsize > np.dtype(want).itemsize
    errors = np.errstate(over="raise" if held else "ignore") if may_overflow else nullcontext()
    try:
        with _core.OurEnvironment(), errors:
            plain: Array = np.asarray(a, want, order="C")
            return plain if plain.flags.aligned else plain.copy()
    except FloatingPointError:
        ensure_imported(".support.not_finite")
        from .not_finite import first
        from .tables import column_names

        rows = a if a.ndim > 1 else a.reshape(-1, 1)
        found = first(rows, np.dtype(want), a.ndim, columns=column_names(given))
        raise ValueError(f"{name}: expected finite numbers, found {found}") from None


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
    name: str | None = None,
) -> Array:
    """Return x as (rows, n) of the wanted dtype or uint8 with unit stride in the rows.

    An array that is such, aligned, comes back as a view of itself, whatever its row stride;
    anything else is converted, once, here; with ``copy=False`` that is a ValueError. If `mapped`, a
    memory-mapped file of other numbers, in any byte order, comes back as it is, too, to be
    converted row by row. Of a `name`, numbers that the wanted dtype doesn't hold are refused;
    without, they are infinite.
    """
    what, given = name or "x", x
    if copy is False and not isinstance(x, np.ndarray):
        ensure_imported(".support.tables")
        from . import tables

        seen = tables.view(what, x)
        x = x if seen is None else seen
    a = real_array(what, x)
    if a.ndim not in (1, 2) or a.shape[-1] != n:
        raise ValueError(f"{what}: expected shape ({n},) or (rows, {n}), found {a.shape}")
    if a.ndim == 1:
        a = a[np.newaxis, :]
    rows, item = a.shape[0], a.itemsize
    fits = (
        a.dtype in (want, np.dtype(np.uint8))
        and (rows == 0 or (a.flags.aligned and (n == 1 or a.strides[1] == item)))
        and (rows < 2 or a.strides[0] % item == 0)
    )
    if copy is False and not (fits and isinstance(x, np.ndarray)):
        layout = f"{a.dtype} with strides {a.strides}"
        found = layout if isinstance(x, np.ndarray) else type(given).__name__
        raise ValueError(
            f"{what}: expected, with copy=False, an aligned array of {want} or uint8 with unit "
            f"stride in its rows, found {found}"
        )
    if fits and copy is not True:
        return a
    if mapped and is_mapped(x):
        return a
    if a.dtype == np.uint8:
        return np.array(a, order="C", copy=True)
    if copy is True and a.dtype == want:
        return a.copy()
    return converted(what, a, want, held=name is not None, given=x)


def is_mapped(x: object) -> bool:
    """Whether x lies in a memory-mapped file, in numbers that the core can convert."""
    readable = isinstance(x, np.ndarray) and x.itemsize <= 8
    while isinstance(x, np.ndarray) and not isinstance(x, np.memmap):
        x = x.base
    return readable and isinstance(x, np.memmap)


def sample_weights(
    w: ArrayLike | None,
    rows: int,
    want: np.dtype[Any],
    *,
    zeros: bool = False,
    name: str = "sample_weight",
) -> Array | None:
    """Return weights as (rows,) of the wanted dtype: finite, at least 0.

    Only zeros are refused unless `zeros`.
    """
    if w is None:
        return None
    a = real_array(name, w)
    if a.shape != (rows,):
        raise ValueError(f"{name}: expected shape ({rows},), found {a.shape}")
    bad = ~np.isfinite(a) | (a < 0)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"{name}: expected finite weights of at least 0, found {a[row]} in row {row}"
        )
    return weights_of_rows(name, a, want, zeros=zeros)


def weights_of_rows(name: str, w: Array, want: np.dtype[Any], *, zeros: bool = False) -> Array:
    """Return finite weights as an array of the wanted dtype that sums of losses by them fit."""
    most = 1e30 if want.itemsize == 4 else 1e300
    with np.errstate(over="ignore"):  # infinity is more than the most
        total = float(np.sum(w, dtype=np.float64))
    if total > most:
        raise ValueError(f"{name}: expected weights that sum to at most {most:g}, found {total:g}")
    a = converted(name, w, want)
    least = np.finfo(want).smallest_normal  # what is below counts as 0 everywhere
    if a.size and a.min() < least:
        bits = a.view(f"u{want.itemsize}")  # which are not 0 in any environment
        a = np.where(a < least, want.type(0), a)
        if not zeros and not a.any():
            few = f"weights below {least:.2g}, which count as 0" if bits.any() else "zeros"
            raise ValueError(f"{name}: expected a weight above 0, found only {few}")
    return a


def rows(given: ArrayLike, n: int) -> NDArray[np.int64]:
    """Return row numbers from 0 to n - 1 as (rows,) int64, a copy: the caller's may change."""
    a = np.array(real_array("rows", given))  # before it is checked
    if a.ndim != 1 or (a.dtype.kind not in "iu" and a.size):
        raise ValueError(
            f"rows: expected shape (n,) of whole numbers, found {a.shape} of {a.dtype}"
        )
    if a.size and not (a.min() >= 0 and a.max() < n):
        found = a.min() if a.min() < 0 else a.max()
        raise ValueError(f"rows: expected row numbers from 0 to {n - 1}, found {found}")
    return converted("rows", a, np.int64)


def output_weights(
    given: Sequence[float] | None, outputs: int, loss: str, want: np.dtype[Any]
) -> list[float]:
    """Return what each output's part of the loss counts, nothing for the same.

    Losses times these weights fit the wanted dtype.
    """
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
        raise ValueError(
            f"output_weights: expected finite weights of at least 0, found {brief(given)}"
        )
    most = 1e30 if want.itemsize == 4 else 1e300
    with np.errstate(over="ignore"):  # infinity is more than the most
        total = float(weights.sum())
    if total > most:
        raise ValueError(
            f"output_weights: expected weights that sum to at most {most:g}, found {brief(given)}"
        )
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
            f"dropout: expected {counted(n, 'rate')}, one for each hidden layer, found {len(rates)}"
        )
    return number("input_dropout", inputs, 0.0, 1.0), *rates


def key(rng: object) -> int:
    """Return the 64-bit key of our own generator for whatever numpy.random.default_rng takes."""
    if isinstance(rng, (bool, np.bool_, float, str, bytes)):
        raise TypeError(
            f"rng: expected None, whole numbers or a NumPy generator, found {brief(rng)}"
        )
    if rng is None:
        return seed_key(int.from_bytes(os.urandom(16), "little"))
    if isinstance(rng, (int, np.integer)) and rng >= 0:
        return seed_key(int(rng))
    ensure_imported("numpy.random")
    if isinstance(rng, np.random.Generator):
        rng = rng.bit_generator
    if isinstance(rng, np.random.BitGenerator):
        high, low = (int(v) & 0xFFFFFFFF for v in rng.random_raw(2))
        return high << 32 | low
    try:
        seed = rng if isinstance(rng, np.random.SeedSequence) else np.random.SeedSequence(rng)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(
            "rng: expected None, whole numbers of at least 0 or a NumPy generator, "
            f"found {brief(rng)}"
        ) from None
    # fixed for all versions of NumPy by its compatibility policy (NEP 19)
    return int(seed.generate_state(1, np.uint64)[0])

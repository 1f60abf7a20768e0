"""What is given instead of an array: tables, objects, and what is refused with the way out.

Known by what they can do, so that none of the libraries they come from is imported.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .changes import expect_file

Array = NDArray[Any]

_ROWS = 4096  # checked at once
_SMALL = 1 << 16  # numbers that may be objects for a while
_WHOLE = (int, np.bool_, np.integer)
_NUMBERS = (float, np.floating, *_WHOLE)


def read(name: str, value: Any) -> Array:
    """Return what isn't a plain array of numbers as one, or say what in it is none."""
    if isinstance(value, np.memmap):
        expect_file(name, value)
    refuse_lazy(name, value)
    refuse_batches(name, value)
    if hasattr(type(value), "toarray"):
        raise TypeError(
            f"{name}: expected a dense array, found a sparse {type(value).__name__}, which is not "
            "taken; .toarray() makes a dense one"
        )
    columns = column_names(value)
    if columns is not None and hasattr(type(value), "iloc"):
        return _of_frame(name, value, columns)
    if isinstance(value, np.ndarray) and isinstance(value, np.ma.MaskedArray):
        _refuse_masked(name, value)
    a = as_array(name, value)
    return a if a.dtype.kind in "fiub" else _numbers(name, a, columns)


def as_array(name: str, value: Any) -> Array:
    """Return what NumPy makes of a value, or say why it can't."""
    try:
        return np.asarray(value)
    except ValueError as e:
        if "inhomogeneous" in str(e):  # NumPy's own sentence
            raise ValueError(f"{name}: expected numbers, found rows of unequal length") from None
        text = " ".join(str(e).split())
        raise ValueError(
            f"{name}: expected numbers, found an object of type {type(value).__name__} that can't "
            f"be made an array: {text}"
        ) from e


def view(name: str, value: Any) -> Array | None:
    """Return what lies in memory as an array without a copy, None of what would be converted."""
    refuse_lazy(name, value)
    refuse_batches(name, value)
    if hasattr(value, "__dlpack__"):  # such as a tensor on the CPU
        try:
            return np.from_dlpack(value)
        except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
            return None
    try:
        return np.asarray(memoryview(value))
    except (BufferError, TypeError, ValueError):
        pass
    try:
        return np.asarray(value, copy=False)  # type: ignore[call-overload,no-any-return,unused-ignore]
    except (RuntimeError, TypeError, ValueError):  # also of NumPy 1, without such an argument
        return None


def refuse_lazy(name: str, value: Any) -> None:
    """Refuse a Dask collection, which NumPy would gather to one machine without a word."""
    # looked up in the type: a frame takes long to find that it lacks an attribute
    graph = getattr(type(value), "__dask_graph__", None)
    if graph is not None and graph(value) is not None:
        raise TypeError(
            f"{name}: expected an array in memory, found a Dask {type(value).__name__}; "
            f"{_by_parts(value)}"
        )


def _by_parts(value: Any) -> str:
    """Return how a network is called for a Dask collection, by what it has or is called."""
    kind = type(value).__name__
    blocks = "X.map_blocks(net, dtype=..., chunks=...)"
    parts = "X.map_partitions(net, meta=...)"
    memory = "its compute() returns what lies in memory"
    if kind == "Delayed":  # which has any attribute
        return memory
    if kind == "Array" or hasattr(value, "map_blocks"):
        return f"{blocks} calls a network block by block"
    if kind in ("DataFrame", "Series", "Index") or hasattr(value, "map_partitions"):
        return f"{parts} calls a network partition by partition"
    return f"{blocks} of an Array, {parts} of a DataFrame call a network part by part; {memory}"


_ARRAYS = ("__array__", "__array_interface__", "__array_struct__", "__dlpack__", "toarray")


def refuse_batches(name: str, value: Any) -> None:
    """Refuse an object with numbered items that is no array, such as a `Sequence` of Keras.

    NumPy would take its items for rows, and wait for one that there isn't.
    """
    if isinstance(value, (list, tuple)) and value:
        value = value[0]
    kind = type(value)
    # known sequences, such as a deque, say that they are some
    if isinstance(value, (np.ndarray, Sequence, Mapping)) or not (
        hasattr(kind, "__getitem__") and hasattr(kind, "__len__")
    ):
        return
    if any(hasattr(value, has) for has in _ARRAYS) or column_names(value) is not None:
        return
    try:
        memoryview(value)
    except TypeError:
        pass
    else:
        return
    if _ends(value):
        return
    batches = "batches" if hasattr(kind, "__iter__") else "[b[i] for i in range(len(b))]"
    article = "an" if kind.__name__[:1] in "AEIOU" else "a"
    raise TypeError(
        f"{name}: expected an array, found {article} {kind.__name__}, which makes batches: "
        f"Network.fit({batches}) takes it without y"
    )


def _ends(value: Any) -> bool:
    """Whether items come to an end where the length says, and none of them is a batch."""
    try:
        n = len(value)
        if n and isinstance(value[0], (tuple, dict)):
            return False
        value[n]
    except (IndexError, KeyError):
        return True
    except Exception:
        return False
    return False


def column_names(value: Any) -> Sequence[Any] | None:
    """Return the column names of a table of pandas, Polars or pyarrow, or of one made like it."""
    if isinstance(value, np.ndarray):
        return None
    of_arrow = hasattr(type(value), "column_names")  # whose `columns` are the data
    found = getattr(value, "column_names" if of_arrow else "columns", None)
    try:
        names = None if found is None else list(found)
    except TypeError:
        return None
    return names if len(getattr(value, "shape", ())) == 2 else None


def _of_frame(name: str, frame: Any, columns: Sequence[Any]) -> Array:
    """Return a table with columns of one or several types of numbers as an array."""
    if frame.size <= _SMALL or len({str(kind) for kind in frame.dtypes}) == 1:
        a = np.asarray(frame)  # of objects, which take much memory, if types are mixed
        if a.dtype.kind in "fiub":
            return a
    parts = []
    for j, column in enumerate(columns):
        a = np.asarray(frame.iloc[:, j])
        if a.dtype.kind not in "fiub":
            a = _numbers(name, a[:, np.newaxis], [column])[:, 0]
        parts.append(a)
    if not parts:
        return np.empty(frame.shape)
    found = np.empty(frame.shape, np.result_type(*parts))
    for j, part in enumerate(parts):
        found[:, j] = part
    return found


def _refuse_masked(name: str, value: Any) -> None:
    """Refuse a masked array of which something is masked: the numbers there mean nothing."""
    hidden = np.ma.getmaskarray(value)
    if hidden.any():
        at = np.argwhere(hidden)[0]
        raise ValueError(f"{name}: expected a number, found a masked value{place(at)}")


def _numbers(name: str, a: Array, columns: Sequence[Any] | None) -> Array:
    """Return an array of objects as one of numbers: of int64 if all are whole, else of float64."""
    if a.dtype.kind not in "OUST":
        raise TypeError(
            f"{name}: expected real numbers, found an array of dtype {a.dtype}"
            f"{'' if columns is None or len(columns) > 1 else f' in column {columns[0]!r}'}"
        )
    flat = a.reshape(-1)
    found = np.empty(flat.shape)
    whole = a.dtype.kind == "O"
    for start in range(0, len(flat), _ROWS):
        part = flat[start : start + _ROWS]
        kinds = set(map(type, part))
        whole = whole and all(issubclass(kind, _WHOLE) for kind in kinds)
        if all(issubclass(kind, _NUMBERS) for kind in kinds):
            try:
                found[start : start + _ROWS] = part
                continue
            except OverflowError:  # of an int, found below
                pass
        for i, v in enumerate(part, start):  # some 20 times as slow
            found[i] = _number(name, v, a, i, columns)
    missing = np.isnan(found)
    if missing.any():
        _refuse_missing(name, a, int(np.flatnonzero(missing)[0]), columns)
    if whole and (np.abs(found) < 2.0**53).all():
        return found.astype(np.int64).reshape(a.shape)
    return found.reshape(a.shape)


def _number(name: str, v: Any, a: Array, i: int, columns: Sequence[Any] | None) -> float:
    """Return one of an array's objects as a number; NaN if it is known for a missing value."""
    if v is None or type(v).__name__ in ("NAType", "NaTType"):
        return np.nan
    is_array = isinstance(v, np.ndarray) or getattr(v, "shape", ()) != ()
    of_numpy = isinstance(v, np.generic) and v.dtype.kind not in "fiub"
    if isinstance(v, (str, bytes, complex)) or is_array or of_numpy or not hasattr(v, "__float__"):
        text = str(v) if isinstance(v, str) else v
        what = f"the text {text!r}" if isinstance(v, (str, bytes)) else _short(v)
        raise TypeError(f"{name}: expected real numbers, found {what}{_place_in(a, i, columns)}")
    try:
        return float(v)
    except (OverflowError, TypeError, ValueError):
        raise TypeError(
            f"{name}: expected real numbers, found {_short(v)}{_place_in(a, i, columns)}"
        ) from None


def _refuse_missing(name: str, a: Array, i: int, columns: Sequence[Any] | None) -> None:
    v = a.reshape(-1)[i]
    raise ValueError(
        f"{name}: expected real numbers, found a missing value ({v}){_place_in(a, i, columns)}"
    )


def _short(v: Any) -> str:
    text = repr(v)
    if "\n" in text or len(text) > 80:
        return f"an object of type {type(v).__name__}"
    return text


def _place_in(a: Array, i: int, columns: Sequence[Any] | None) -> str:
    return place(np.unravel_index(i, a.shape), columns)


def place(at: Sequence[Any] | Array, columns: Sequence[Any] | None = None) -> str:
    """Return the end of a sentence that says where in an array something was found."""
    if len(at) == 0:
        return ""
    found = f" in row {int(at[0])}"
    if len(at) > 1:
        j = int(at[1])
        named = columns is not None and j < len(columns)
        found += f", column {columns[j]!r}" if named and columns is not None else f", column {j}"
    return found

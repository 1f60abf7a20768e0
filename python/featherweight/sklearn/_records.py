"""Parameters and fitted attributes to JSON, and back, checked."""

from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import LabelBinarizer

from .. import schedules
from ..support.checks import counted
from ..training.history import History

Array = NDArray[Any]

# A schedule of any of these is its settings; one with a function of the user's is more
_SCHEDULES = {
    n: getattr(schedules, n) for n in schedules.__all__ if n not in ("Schedule", "LambdaLR")
}
_GENERATOR = "MT19937"

MOST = (1 << 53) - 1  # of what is counted: NumPy and the core compute with such numbers

# Fitted attributes that the network doesn't say, by what they must be
PLAIN = {
    "n_iter_": "count", "t_": "count", "_no_improvement_count": "count", "loss_": "number",
    "loss_curve_": "numbers", "best_loss_": "number", "validation_scores_": "numbers",
    "best_validation_score_": "number", "_best_of": "text",
    "history_": "history",
}  # fmt: skip


def encoded(name: str, value: Any) -> Any:
    """Return value as JSON has it, or say that it can't be: containers and objects are tagged."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    elif isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [encoded(name, v) for v in value]
    if isinstance(value, tuple):
        return {"tuple": [encoded(name, v) for v in value]}
    if isinstance(value, History):
        value = value.to_dict()
    if isinstance(value, dict):  # whose keys JSON would turn into strings
        return {"dict": [[encoded(name, k), encoded(name, v)] for k, v in value.items()]}
    if isinstance(value, np.random.RandomState):
        return {"RandomState": state_of(value)}
    kind = type(value).__name__
    if type(value) is _SCHEDULES.get(kind):
        settings = {k: getattr(value, k) for k in signature(type(value)).parameters}
        return {"schedule": [kind, {k: encoded(name, v) for k, v in settings.items()}]}
    raise TypeError(
        f"{name}: expected numbers, strings, a schedule of ours or a RandomState to save, "
        f"found {value!r} (pickle keeps it)"
    )


def decoded(value: Any) -> Any:
    """Return what was encoded."""
    if isinstance(value, list):
        return [decoded(v) for v in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tuple":
        return tuple(decoded(content))
    if kind == "dict":
        return {decoded(k): decoded(v) for k, v in content}
    if kind == "RandomState":
        return random_state(content)
    if kind != "schedule":
        raise ValueError(f"expected a tuple, dict, RandomState or schedule, found {kind!r}")
    name, settings = content
    return _SCHEDULES[name](**{k: decoded(v) for k, v in settings.items()})


def state_of(random: np.random.RandomState | tuple[Any, ...]) -> list[Any]:
    """Return a generator's state, or that which its `get_state` returned, as JSON has it."""
    state: Any = random.get_state() if isinstance(random, np.random.RandomState) else random
    name, keys, *rest = state
    if name != _GENERATOR:
        raise TypeError(f"random_state: expected a generator {_GENERATOR} to save, found {name}")
    return [keys.tolist(), *(r.item() if isinstance(r, np.generic) else r for r in rest)]


def random_state(state: list[Any]) -> np.random.RandomState:
    """Return the generator in a state."""
    keys, *rest = state
    found = np.random.RandomState()
    found.set_state((_GENERATOR, np.array(keys, np.uint32), *rest))
    return found


def plain(name: str, value: Any) -> Any:
    """Return a fitted attribute if it is what it must be."""
    kind = PLAIN[name]
    if value is None and kind != "count":
        return None
    if kind == "text":
        if not isinstance(value, str):
            raise ValueError(f"expected {name} to be a text, found {value!r}")
        return value
    if kind == "history":
        return history(decoded(value))
    values = value if kind == "numbers" else [value]
    if not isinstance(values, list) or any(type(v) not in (int, float) for v in values):
        raise ValueError(f"expected {name} to be a {kind}, found {value!r}")
    if kind == "count" and (type(value) is not int or not 0 <= value <= MOST):
        raise ValueError(f"expected {name} of 0 to {MOST}, found {value!r}")
    return value


def history(lists: Any) -> History:
    """Return a history of lists by name if it has an entry of each, or none, for each epoch."""
    found = History()
    if not isinstance(lists, dict) or set(lists) != set(found.names):
        raise ValueError(f"expected a history of {', '.join(found.names)}, found {lists!r}")
    epochs = len(lists["epoch"])
    for name, values in lists.items():
        kinds = (int,) if name == "epoch" else (int, float)
        if not isinstance(values, list) or any(type(v) not in kinds for v in values):
            raise ValueError(f"expected numbers of {name}, found {values!r}")
        if len(values) not in (0, epochs):
            raise ValueError(f"expected {counted(epochs, 'number')} of {name}, found {len(values)}")
        setattr(found, name, values)
    if lists["epoch"] != list(range(1, epochs + 1)):
        raise ValueError(f"expected epochs 1 to {epochs}, found {lists['epoch']}")
    return found


def classes(network: Any, values: list[Any], dtype: str, kind: str, sparse: bool) -> Any:
    """Return the classes, and what makes outputs of them, that a network fits."""
    found = np.array(values, dtype=dtype)
    if found.ndim != 1 or found.dtype.kind not in "biufUSO" or found.tolist() != values:
        raise ValueError(f"expected classes of {dtype}, numbers or strings, found {values}")
    if not np.array_equal(found, np.unique(found)):
        raise ValueError("expected classes in their order, each once")
    n, softmax = len(found), network.output == "softmax"
    if (
        network.sizes[-1] != (n if softmax or kind != "binary" else 1)
        or network.output not in ("softmax", "sigmoid")
        or (softmax and kind == "multilabel-indicator")
    ):
        raise ValueError(
            f"expected {kind} classes for {counted(network.sizes[-1], 'output')} of "
            f"{network.output}, found {n}"
        )
    if kind == "multilabel-indicator":
        binarizer = LabelBinarizer().fit(np.stack([np.zeros(n, int), np.ones(n, int)]))
    else:
        binarizer = LabelBinarizer().fit(found)
    if binarizer.y_type_ != kind:
        raise ValueError(f"expected {binarizer.y_type_} classes, found {kind} ones")
    binarizer.sparse_input_ = bool(sparse)  # such a y, and predict returns such
    return found, binarizer


def order(rows: Array) -> Array:
    """Return an order of rows if it is one."""
    if rows.dtype != np.int64 or not np.array_equal(np.sort(rows), np.arange(rows.size)):
        raise ValueError("expected an order of rows that has each once")
    return rows

"""What the parameters may be, and the sentences for those that don't go together."""

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, Options, StrOptions

from .. import _core
from ..support import checks
from ..support.tables import as_array

NAMES = {"logistic": "sigmoid"}  # scikit-learn's names that aren't ours
SKLEARN = {ours: theirs for theirs, ours in NAMES.items()}
ACTIVATIONS = {*_core.activations(), *NAMES}

_least_0 = Interval(Real, 0, None, closed="left")
_above_0 = Interval(Real, 0, None, closed="neither")
_part = Interval(Real, 0, 1, closed="left")
_count = Interval(Integral, 1, None, closed="left")

_MANY = 100_000  # numbers; more are checked block by block

CONSTRAINTS: dict[str, Any] = {
    "hidden_layer_sizes": ["array-like", _count],
    "activation": [StrOptions(ACTIVATIONS), "array-like"],
    "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
    "alpha": [_least_0],
    "batch_size": [StrOptions({"auto"}), _count],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [_above_0],
    "power_t": [_least_0],
    "max_iter": [_count],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [_least_0],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [_part],
    "beta_1": [_part],
    "beta_2": [_part],
    "epsilon": [_above_0],
    "n_iter_no_change": [_count, Options(Real, {np.inf})],
    "max_fun": [_count],
    "dropout": [_part, "array-like"],
    "input_dropout": [_part],
    "weight_decay": [_least_0],
    "schedule": "no_validation",  # checked where it is used, in a sentence of ours
    "callbacks": "no_validation",
    "progress": ["boolean", StrOptions({"auto", "lines"})],
    "max_time": [_above_0, None],
    "threads": [Interval(Integral, 1, 1024, closed="both"), None],
}


def hidden_sizes(estimator: Any) -> list[int]:
    """Return the hidden layers' sizes, or say in scikit-learn's words what is wrong with them."""
    given = estimator.hidden_layer_sizes
    checks.ordered("hidden_layer_sizes", given)
    sizes = list(given) if hasattr(given, "__iter__") else [given]
    if any(isinstance(s, bool) or not isinstance(s, (Integral, np.integer)) for s in sizes):
        raise TypeError(f"hidden_layer_sizes: expected whole numbers, found {given!r}")
    if any(s <= 0 for s in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(s) for s in sizes]


def activations(estimator: Any, layers: int) -> list[str]:
    """Return our name of each hidden layer's activation."""
    given = estimator.activation
    if isinstance(given, str):
        return [NAMES.get(given, given)] * layers
    names = list(checks.ordered("activation", given))
    if len(names) != layers:
        raise ValueError(
            f"activation: expected {checks.counted(layers, 'name')}, one for each hidden "
            f"layer, found {len(names)}"
        )
    for i, name in enumerate(names):
        if not isinstance(name, str) or name not in ACTIVATIONS:
            known = ", ".join(sorted(ACTIVATIONS))
            raise ValueError(f"activation[{i}]: expected one of {known}, found {name!r}")
    return [NAMES.get(name, name) for name in names]


def combination(estimator: Any, layers: int) -> None:
    """Refuse parameters that don't go together."""
    drops = any(checks.dropout(estimator.dropout, estimator.input_dropout, layers))
    if estimator.solver == "lbfgs" and (drops or estimator.schedule is not None):
        raise ValueError("solver: expected 'sgd' or 'adam' with dropout or schedule, found 'lbfgs'")
    if estimator.weight_decay and estimator.solver != "adam":
        raise ValueError(
            f"solver: expected 'adam' with weight_decay, found {estimator.solver!r} "
            "(alpha penalises the weights with any solver)"
        )
    if estimator.schedule is not None and estimator.learning_rate != "constant":
        raise ValueError(
            f"learning_rate: expected 'constant' with schedule, found {estimator.learning_rate!r}"
        )


def numbers(name: str, y: Any) -> None:
    """Refuse a regressor's targets that aren't an array of numbers."""
    if hasattr(y, "toarray"):
        raise TypeError(f"{name}: expected a dense array, found a sparse matrix")
    values = as_array(name, y)
    texts = values.dtype.kind in "USTV"
    if texts or (values.dtype == object and any(isinstance(v, (str, bytes)) for v in values.flat)):
        raise TypeError(f"{name}: expected numbers, found strings")


def known_finite(x: Any) -> bool:
    """Whether scikit-learn, which looks more slowly, needn't look for NaN and infinity."""
    return (
        type(x) is np.ndarray and x.ndim == 2 and x.dtype in (np.float32, np.float64) and finite(x)
    )


def finite(x: NDArray[Any]) -> bool:
    """Whether all is finite, as far as can be told quickly: False where a square overflows, too."""
    # the BLAS reads at the speed of memory, by several threads; NumPy's sums and comparisons don't
    return x.flags.c_contiguous and math.isfinite(np.vdot(x, x))


def finite_outputs(network: Any, x: NDArray[Any]) -> NDArray[Any] | None:
    """Return the network's outputs, or None where it can't be told that all rows are finite."""
    if x.size < _MANY:
        return network(x) if finite(x) else None
    if not (x.flags.c_contiguous and x.flags.aligned):
        return None
    # each block of rows is checked when its outputs have just been computed: it is in cache
    y = np.empty((len(x), network.sizes[-1]), network.dtype)
    return y if network._core.forward(x, y, True) else None

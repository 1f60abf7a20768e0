"""`coefs_` and `intercepts_`: the network's parameters as scikit-learn shows them."""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from ..network import Network
from ..support.checks import counted
from . import _checks

_COUNTS = ("n_iter_", "t_", "_no_improvement_count")  # which scikit-learn doesn't keep of lbfgs


class Parameters(list[NDArray[Any]]):
    """A list of arrays, read-only so that writing into one is no loss; assigning an item stores.

    Of `coefs_` each is (inputs, outputs), of `intercepts_` (outputs,).
    """

    def __init__(self, network: Network, kind: str) -> None:
        super().__init__(a.T for a in getattr(network, kind))
        self._network, self._kind = network, kind

    def __setitem__(self, index: Any, value: Any) -> None:
        if not isinstance(index, SupportsIndex):
            raise TypeError(
                f"coefs_, intercepts_: expected a layer's number, found {index!r}; "
                "clf.coefs_ = [...] stores all"
            )
        getattr(self._network, self._kind)[index] = np.asarray(value).T
        super().__setitem__(index, getattr(self._network, self._kind)[index].T)

    def __reduce__(self) -> Any:
        return list, (list(map(np.array, self)),)

    def _refuse(self, *args: Any, **options: Any) -> Any:
        raise TypeError(
            "coefs_, intercepts_: expected as many arrays as before, of the same shapes; "
            "clf.coefs_[i] = w stores one, clf.coefs_ = [...] all"
        )

    append = extend = insert = pop = remove = clear = reverse = sort = _refuse
    __delitem__ = __iadd__ = __imul__ = _refuse


class Weights:
    """`coefs_` and `intercepts_` of an estimator: those its network's, or given before."""

    @property
    def coefs_(self) -> list[NDArray[Any]]:
        """The weights by layer, (inputs, outputs); assigning, the list or an item, stores."""
        return self._parameters("coefs_", "weights")

    @coefs_.setter
    def coefs_(self, values: Any) -> None:
        self._assign("coefs_", "weights", values)

    @property
    def intercepts_(self) -> list[NDArray[Any]]:
        """The biases by layer, (outputs,); assigning, the list or an item, stores."""
        return self._parameters("intercepts_", "biases")

    @intercepts_.setter
    def intercepts_(self, values: Any) -> None:
        self._assign("intercepts_", "biases", values)

    @cached_property
    def network_(self) -> Network:
        """The network: what was trained, or made of fitted attributes that were all given."""
        given = self.__dict__.get("_given", {})
        if len(given) < 2 or "out_activation_" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute 'network_'")
        network = _made_of(self, **given)
        known = {"n_layers_": len(network.sizes), "n_outputs_": network.sizes[-1]}
        for name, value in (known | dict.fromkeys(_COUNTS, 0)).items():
            self.__dict__.setdefault(name, value)
        del self.__dict__["_given"]
        return network

    def _parameters(self, name: str, kind: str) -> list[NDArray[Any]]:
        network = self.__dict__.get("network_")
        if network is not None:
            return Parameters(network, kind)
        try:
            found: list[NDArray[Any]] = self.__dict__["_given"][name]
        except KeyError:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
            ) from None
        return found

    def _assign(self, name: str, kind: str, values: Any) -> None:
        network = self.__dict__.get("network_")
        if network is None:
            self.__dict__["_given"] = self.__dict__.get("_given", {}) | {name: values}
        else:
            store(network, kind, values)


def _made_of(estimator: Any, coefs_: Sequence[Any], intercepts_: Sequence[Any]) -> Network:
    """Return the network that an estimator has by its parameters and these attributes."""
    arrays = [np.asarray(a) for a in coefs_]
    for i, a in enumerate(arrays):
        if a.ndim != 2:
            raise ValueError(f"coefs_[{i}]: expected a matrix, found shape {a.shape}")
    if not arrays:
        raise ValueError("coefs_: expected a matrix of each layer, found none")
    acts = _checks.activations(estimator, len(arrays) - 1)
    output = _checks.NAMES.get(estimator.out_activation_, estimator.out_activation_)
    sizes = [arrays[0].shape[0], *(a.shape[1] for a in arrays)]
    single = all(a.dtype == np.float32 for a in arrays)
    dtype = np.float32 if single else np.float64
    network = Network(sizes, acts, output, dtype=dtype, rng=0, threads=estimator.threads)
    store(network, "weights", coefs_)
    store(network, "biases", intercepts_)
    return network


def store(network: Network, kind: str, values: Sequence[Any]) -> None:
    """Store all layers' weights or biases, or none."""
    name = "coefs_" if kind == "weights" else "intercepts_"
    to = getattr(network, kind)
    if len(values) != len(to):
        raise ValueError(f"{name}: expected {counted(len(to), 'array')}, found {len(values)}")
    arrays = [np.asarray(v).T for v in values]
    for i, a in enumerate(arrays):
        if a.shape != to[i].shape:
            raise ValueError(
                f"{name}[{i}]: expected shape {to[i].T.shape}, found {np.shape(values[i])}"
            )
    for i, a in enumerate(arrays):
        to[i] = a


def initial(
    random_state: np.random.RandomState, sizes: Sequence[int], activation: Sequence[str]
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Draw what scikit-learn draws, in its order: (inputs, outputs) and (outputs,) by layer.

    Uniform in (-l, l) with l = sqrt(6 / (inputs + outputs)), for logistic sqrt(2 / ...) (Glorot and
    Bengio 2010), biases included; the output layer goes by the last hidden layer's activation.
    """
    coefs, intercepts = [], []
    for i, (n, m) in enumerate(pairwise(sizes)):
        name = activation[min(i, len(activation) - 1)] if activation else "identity"
        bound = np.sqrt((2.0 if name == "sigmoid" else 6.0) / (n + m))
        coefs.append(random_state.uniform(-bound, bound, (n, m)))
        intercepts.append(random_state.uniform(-bound, bound, m))
    return coefs, intercepts

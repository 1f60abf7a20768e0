"""What comes out of an estimator: its outputs, its hidden activations, gradients of its inputs."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._set_output import _wrap_data_with_container
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import _core
from ..network import Network
from ..support.checks import counted, whole
from ..support.tables import refuse_batches, refuse_lazy
from . import _checks

Array = NDArray[Any]

_ROWS = 1024  # of a sparse matrix, made dense at once
_NONE = "transform: expected a hidden layer, found none (hidden_layer_sizes=())"


def parts(x: Any) -> Iterator[tuple[slice, Array]]:
    """Yield which rows, and these, dense: a sparse matrix's some at a time."""
    if not hasattr(x, "toarray"):
        yield slice(None), x
        return
    x = x.tocsr()
    for i in range(0, x.shape[0], _ROWS):
        rows = slice(i, i + _ROWS)
        yield rows, x[rows].toarray()


def class_numbers(classes: Array, target: Any, n: int) -> NDArray[np.intp]:
    """Return the number of the class that is asked for in each of n rows."""
    refuse_batches("target", target)
    try:
        wanted = np.asarray(target)
        known = bool(np.isin(wanted, classes).all())
    except (TypeError, ValueError):  # of kinds that can't be compared, or of unequal lengths
        known = False
    if not known:
        raise ValueError(f"target: expected classes of {classes}, found {target!r}")
    if wanted.shape not in ((), (n,)):
        raise ValueError(
            f"target: expected a class, or one for each of {counted(n, 'row')}, "
            f"found shape {wanted.shape}"
        )
    return np.broadcast_to(np.searchsorted(classes, wanted), n)


def class_slopes(network: Network, x: Array, at: NDArray[np.intp], against_the_rest: bool) -> Array:
    """Return how much a change of each output changes the probability of the class asked for."""
    dy = np.zeros((len(x), network.sizes[-1]), network.dtype)
    if dy.shape[1] == 1:
        dy[:, 0] = np.where(at == 1, 1, -1)
        return dy
    rows = np.arange(len(x))
    dy[rows, at] = 1
    if against_the_rest:  # the derivative of the division by the sum
        y = network(x)
        total = y.sum(axis=1, keepdims=True)
        flat = total[:, 0] < np.finfo(y.dtype).tiny  # where every output is 0, and its slope
        total[flat] = 1
        dy = (dy - y[rows, at][:, np.newaxis] / total) / total
        dy[flat] = 0
    return dy


class Outputs:
    """What the classifier's and the regressor's outputs are made of; no part of set_output."""

    network_: Network
    n_layers_: int

    def _valid(self, x: Any) -> Any:
        refuse_lazy("X", x)
        refuse_batches("X", x)
        with _core.OurEnvironment():
            return validate_data(self, x, accept_sparse=["csr", "csc"], reset=False)

    def _outputs(self, x: Any) -> Array:
        """Return the network's outputs, (rows, outputs)."""
        network = self.__dict__.get("network_")
        # most of what validate_data does is for what can't be the matter here
        if (
            network is not None
            and type(x) is np.ndarray
            and x.ndim == 2
            and x.dtype == network.dtype
            and x.shape[1] == network.sizes[0]
            and x.shape[0]
            and not hasattr(self, "feature_names_in_")
        ):
            y: Array | None = _checks.finite_outputs(network, x)
            if y is not None:
                return y
        check_is_fitted(self, "network_")
        return self._forward(self._valid(x))

    def _forward(self, x: Any) -> Array:
        """Return the network's outputs for rows that have been checked."""
        if not hasattr(x, "toarray"):
            y: Array = self.network_(x)
            return y
        with _core.OurEnvironment():
            return np.concatenate([self.network_(dense) for _, dense in parts(x)])

    def _input_gradient(self, x: Any, slopes: Any) -> Array:
        """Return the inputs' gradients, given the outputs' as a function of rows and which."""
        found = np.empty(x.shape, self.network_.dtype)
        with _core.OurEnvironment():
            for rows, dense in parts(x):
                found[rows] = self.network_.backward(dense, slopes(dense, rows)).input
        return found

    # set_output would have a hidden layer's activations named as the last one's: it wraps what a
    # class of scikit-learn's kin defines, and this is none

    def transform(self, X: Any, layer: int = -1) -> Any:
        """Return a hidden layer's activations.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        layer : int
            Of the hidden layers, the first being 0; counted from the last if negative.

        Returns
        -------
        ndarray of shape (n_samples, units of the layer), of the network's dtype
            Or what `set_output` asks for, its columns named by the class and the unit's number.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError
            If `layer` isn't a whole number.
        IndexError
            If there is no such layer.
        ValueError
            If `X` isn't such, or there is no hidden layer.
        """
        check_is_fitted(self, "network_")
        hidden = self.n_layers_ - 2
        if not hidden:
            raise ValueError(_NONE)
        try:
            at = whole("layer", layer, -hidden, hidden - 1) % hidden
        except ValueError as e:
            raise IndexError(str(e)) from None
        x, units = self._valid(X), self.network_.sizes[1 + at]
        found = np.empty((x.shape[0], units), self.network_.dtype)
        with _core.OurEnvironment():
            for rows, dense in parts(x):
                found[rows] = self.network_.activations(dense)[1 + at]
        names = np.array([f"{type(self).__name__.lower()}{i}" for i in range(units)], object)
        asked = SimpleNamespace(get_feature_names_out=lambda: names)
        for key in ("_sklearn_output_config", "_sklearn_auto_wrap_output_keys"):
            if hasattr(self, key):
                setattr(asked, key, getattr(self, key))
        return _wrap_data_with_container("transform", found, X, asked)

    @property
    def _n_features_out(self) -> int:
        if self.n_layers_ < 3:
            raise ValueError(_NONE)
        return int(self.network_.sizes[-2])

"""`MLPRegressor`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ._base import BaseMLP
from ._callbacks import with_callbacks
from ._checks import ACTIVATIONS, CONSTRAINTS, NAMES, known_finite
from ._training import Goal

Array = NDArray[Any]


class MLPRegressor(RegressorMixin, BaseMLP):
    """scikit-learn's multi-layer perceptron regressor, on featherweight.

    The parameters to `max_fun` are those of ``sklearn.neural_network.MLPRegressor``, by name,
    default and meaning, and so are the methods and the fitted attributes: with the same
    `random_state` training takes the same steps, to rounding. Those after it are ours.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}
        poisson is half the deviance, for targets of at least 0.
    output_activation : str or None
        None is scikit-learn's choice: identity, and exp for poisson. With squared_error any of
        those of `activation`.

    The others, but for class_weight, are those of `MLPClassifier`, in the same order.

    Attributes
    ----------
    network_ : featherweight.Network
        What was trained. All other attributes are scikit-learn's, and `history_`.
    history_ : featherweight.History
        What the last call of `fit` or `partial_fit` measured.

    Raises
    ------
    TypeError, ValueError
        On `fit`, for wrong parameters or data; for weights that stop being finite.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> x, y = load_diabetes(return_X_y=True)
    >>> MLPRegressor(solver="lbfgs", max_iter=500, random_state=0).fit(x, y).score(x, y) > 0.4
    True
    """

    _parameter_constraints = CONSTRAINTS | {
        "loss": [StrOptions({"squared_error", "poisson"})],
        "output_activation": [StrOptions(ACTIVATIONS), None],
    }

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        output_activation: str | None = None,
        dropout: Any = 0.0,
        input_dropout: float = 0.0,
        weight_decay: float = 0.0,
        schedule: Any = None,
        callbacks: Any = (),
        progress: bool | str = False,
        max_time: float | None = None,
        threads: int | None = None,
    ) -> None:
        self._keep(locals())

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None
    ) -> "MLPRegressor":
        """Train.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32 stays so, and makes a network of float32; all else becomes float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional
        validation_data : (X, y) or (X, y, sample_weight), optional
            What `validation_scores_` are of, and early stopping goes by, in place of a part of X.

        Returns
        -------
        MLPRegressor
            Itself.
        """
        self._fit(X, y, sample_weight, validation_data)
        return self

    @available_if(lambda est: est._check_solver())
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPRegressor":
        """Train for one epoch, going on from where the last call ended.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        MLPRegressor
            Itself.
        """
        self._fit(X, y, sample_weight, incremental=True)
        return self

    def _targets(self, x: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        x, y = validate_data(
            self, x, y, accept_sparse=["csr", "csc"], multi_output=True, y_numeric=True,
            dtype=(np.float64, np.float32), reset=reset, ensure_all_finite=not known_finite(x),
        )  # fmt: skip
        y = self._column(y)
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError(f"y: expected, for poisson, values of at least 0, found {y[y < 0][0]}")
        return x, y

    def _column(self, y: Array) -> Array:
        if y.ndim == 2 and y.shape[1] == 1:
            return np.asarray(column_or_1d(y, warn=True))
        return y

    def _shape(self, y: Any) -> tuple[int, str]:
        output = self.output_activation or ("exp" if self.loss == "poisson" else "identity")
        if self.loss == "poisson" and output != "exp":
            raise ValueError(
                f"output_activation: expected 'exp' with loss='poisson', found {output!r}"
            )
        return (1 if y.ndim == 1 else y.shape[1]), NAMES.get(output, output)

    def _encoded(self, y: Any, dtype: np.dtype[Any]) -> tuple[Any, Any]:
        values = np.ascontiguousarray(y, dtype)
        return None, values.reshape(-1, 1) if values.ndim == 1 else values

    def _goal(self) -> Goal:
        # the core's means over outputs are trained on as sums: half of one, for the squares
        n = self.n_outputs_
        if self.loss == "poisson":
            return Goal("poisson", 1.0, () if n == 1 else (float(n),) * n)
        return Goal("mse", 0.0, (n / 2,) * n, 1.0 / n)

    def _validation_targets(self, y: Any) -> Any:
        return self._column(check_array(y, ensure_2d=False, dtype="numeric", input_name="y"))

    def _held_out_score(self, x: Any, y: Any, weights: Array | None) -> float:
        outputs = self._forward(x)
        if not np.isfinite(outputs).all():
            return float("nan")
        return float(r2_score(y, outputs, sample_weight=weights))

    def predict(self, X: Any) -> Array:
        """Return the values predicted for rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs), of the network's dtype
        """
        y = self._outputs(X)
        return y.ravel() if y.shape[1] == 1 else y

    def input_gradient(self, X: Any, target: int = 0) -> Array:
        """Return how an output changes with each input.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        target : int
            The number of the output.

        Returns
        -------
        ndarray of shape (n_samples, n_features)

        Raises
        ------
        IndexError
            If there is no such output.
        """
        check_is_fitted(self, "network_")
        x = self._valid(X)
        x = x.toarray() if hasattr(x, "toarray") else np.asarray(x)
        if not 0 <= target < self.n_outputs_:
            raise IndexError(f"target: expected 0 to {self.n_outputs_ - 1}, found {target}")
        dy = np.zeros((len(x), self.n_outputs_), self.network_.dtype)
        dy[:, target] = 1
        return self.network_.backward(x, dy).input

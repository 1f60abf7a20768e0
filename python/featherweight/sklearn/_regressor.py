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

from .. import _core
from ..support.checks import converted, whole
from ..support.hints import named
from ..support.tables import refuse_batches
from ._base import BaseMLP
from ._callbacks import with_callbacks
from ._checks import ACTIVATIONS, CONSTRAINTS, NAMES, known_finite, numbers
from ._docs import documented
from ._training import Goal

Array = NDArray[Any]


@documented(
    loss="""{"squared_error", "poisson"}, default="squared_error"
        Half the squared error, or half the deviance of a Poisson distribution, for targets of at
        least 0.""",
    output_activation="""str or None, default=None
        None is scikit-learn's choice: identity, and exp for poisson. With squared_error any of
        those of `activation`.""",
)
class MLPRegressor(RegressorMixin, BaseMLP):
    """scikit-learn's multi-layer perceptron regressor, on featherweight.

    The parameters to `max_fun` are those of ``sklearn.neural_network.MLPRegressor``, by name,
    default and meaning, and so are the methods and the fitted attributes: with the same
    `random_state` training takes the same steps, to rounding. Those after it are ours.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

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

    @named
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
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> "MLPRegressor":
        """Train.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32 stays so, and makes a network of float32; all else becomes float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers.
        sample_weight : array-like of shape (n_samples,), optional
            At least 0.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), optional
            Validation data of your own, in place of a part of `X`: what `validation_scores_` are
            of, and early stopping goes by. With sgd and adam. A `Pipeline` transforms them as `X`
            with ``transform_input=["X_val"]``.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), optional
        sample_weight_val : array-like of shape (n_val,), optional
            At least 0.

        Returns
        -------
        MLPRegressor
            Itself.

        Raises
        ------
        TypeError, ValueError
            For wrong parameters or data, the estimator being as it was; for weights that stop being
            finite.
        """
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    @available_if(lambda est: est._check_solver())
    @named
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPRegressor":
        """Train for one epoch, going on from where the last call ended.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        MLPRegressor
            Itself.

        Raises
        ------
        AttributeError
            With the solver lbfgs.
        TypeError, ValueError
            As `fit`; with `early_stopping`.
        """
        self._fit(X, y, sample_weight, incremental=True)
        return self

    def _targets(self, x: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        numbers("y", y)
        x, y = validate_data(
            self, x, y, accept_sparse=["csr", "csc"], multi_output=True, y_numeric=True,
            dtype=(np.float64, np.float32), reset=reset, ensure_all_finite=not known_finite(x),
        )  # fmt: skip
        y = self._column(y)
        self._check_range("y", y)
        return x, y

    def _check_range(self, name: str, y: Array) -> None:
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError(
                f"{name}: expected, for poisson, values of at least 0, found {y[y < 0][0]}"
            )

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
        values = converted("y", y, dtype)
        return None, values.reshape(-1, 1) if values.ndim == 1 else values

    def _goal(self) -> Goal:
        # the core's means over outputs are trained on as sums: half of one, for the squares
        n = self.n_outputs_
        if self.loss == "poisson":
            return Goal("poisson", 1.0, () if n == 1 else (float(n),) * n)
        return Goal("mse", 0.0, (n / 2,) * n, 1.0 / n)

    def _validation_targets(self, y: Any) -> Any:
        numbers("y_val", y)
        y = self._column(check_array(y, ensure_2d=False, dtype="numeric", input_name="y_val"))
        self._check_range("y_val", y)
        return y

    def _held_out_score(self, x: Any, y: Any, weights: Array | None) -> float:
        outputs = self._forward(x)
        if not np.isfinite(outputs).all():
            return float("nan")
        return float(r2_score(y, outputs, sample_weight=weights))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R2 of predictions, as scikit-learn computes it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers.
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        float

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If these aren't such arrays.
        """
        refuse_batches("y", y)
        refuse_batches("sample_weight", sample_weight)
        with _core.OurEnvironment():
            return float(super().score(X, y, sample_weight))

    def predict(self, X: Any) -> Array:
        """Return the values predicted for rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs), of the network's dtype

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If `X` isn't such rows of finite numbers.
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
        NotFittedError
            Before `fit`.
        TypeError
            If `target` isn't a whole number.
        IndexError
            If there is no such output.
        ValueError
            If `X` isn't such rows.
        """
        check_is_fitted(self, "network_")
        x = self._valid(X)
        try:
            at = whole("target", target, 0, self.n_outputs_ - 1)
        except ValueError as e:
            raise IndexError(str(e)) from None
        dy = np.zeros((1, self.n_outputs_), self.network_.dtype)
        dy[0, at] = 1
        return self._input_gradient(x, lambda dense, rows: np.repeat(dy, len(dense), axis=0))

"""`MLPClassifier`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import _core
from ..support.hints import named
from ..support.tables import refuse_batches
from ._base import BaseMLP
from ._callbacks import with_callbacks
from ._checks import CONSTRAINTS, known_finite
from ._class_weights import class_weighted
from ._data import Problem
from ._docs import documented
from ._outputs import class_numbers, class_slopes
from ._training import Goal

Array = NDArray[Any]


@documented(
    output_activation="""{"softmax", "logistic"} or None, default=None
        None is scikit-learn's choice: softmax for more than two classes, else logistic. Logistic
        for more than two is one against the rest, its probabilities divided by their sum."""
)
class MLPClassifier(ClassifierMixin, BaseMLP):
    """scikit-learn's multi-layer perceptron classifier, on featherweight.

    The parameters to `max_fun` are those of ``sklearn.neural_network.MLPClassifier``, by name,
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
    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> MLPClassifier(max_iter=500, random_state=0).fit(x, y).score(x, y) > 0.9
    True
    """

    loss = "log_loss"  # no parameter, there as here
    _parameter_constraints = CONSTRAINTS | {
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
        "output_activation": [StrOptions({"softmax", "logistic"}), None],
    }

    @named
    def __init__(
        self,
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
        class_weight: Any = None,
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
    ) -> "MLPClassifier":
        """Train.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32 stays so, and makes a network of float32; all else becomes float64.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Classes, of numbers or strings, or for each label whether it holds.
        sample_weight : array-like of shape (n_samples,), optional
            At least 0.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), optional
            Validation data of your own, in place of a part of `X`: what `validation_scores_` are
            of, and early stopping goes by. With sgd and adam. A `Pipeline` transforms them as `X`
            with ``transform_input=["X_val"]``.
        y_val : array-like of shape (n_val,) or (n_val, n_labels), optional
        sample_weight_val : array-like of shape (n_val,), optional
            At least 0; `class_weight` doesn't count here.

        Returns
        -------
        MLPClassifier
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
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> "MLPClassifier":
        """Train for one epoch, going on from where the last call ended.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
        sample_weight : array-like of shape (n_samples,), optional
        classes : array-like, optional
            All classes that will come; needed in the first call.

        Returns
        -------
        MLPClassifier
            Itself.

        Raises
        ------
        AttributeError
            With the solver lbfgs.
        TypeError, ValueError
            As `fit`; with `early_stopping`, and ``class_weight="balanced"``.
        """
        self._fit(X, y, sample_weight, incremental=True, classes=classes)
        return self

    def _know(self, y: Any, classes: Any) -> None:
        if _check_partial_fit_first_call(self, classes):
            self._learn(y if type_of_target(y).startswith("multilabel") else classes)

    def _learn(self, y: Any) -> None:
        self._label_binarizer = LabelBinarizer().fit(y)
        self.classes_ = self._label_binarizer.classes_

    def _targets(self, x: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        x, y = validate_data(
            self, x, y, accept_sparse=["csr", "csc"], multi_output=True,
            dtype=(np.float64, np.float32), reset=reset, ensure_all_finite=not known_finite(x),
        )  # fmt: skip
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._learn(y)
            return x, y
        if (y.ndim == 2) != self._kind.startswith("multilabel"):
            raise ValueError(f"y: expected {self._kind} targets, as before, found shape {y.shape}")
        classes = unique_labels(y)
        if self.warm_start and not incremental:
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous "
                    f"call to fit. Previously got {self.classes_}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                "`y` has classes not in `self.classes_`. "
                f"`self.classes_` has {self.classes_}. 'y' has {classes}."
            )
        return x, y

    @property
    def _kind(self) -> str:
        """``binary`` (one class, too), ``multiclass`` or ``multilabel-indicator``."""
        return str(self._label_binarizer.y_type_)

    @property
    def _against_the_rest(self) -> bool:
        return self._kind == "multiclass" and self.network_.output == "sigmoid"

    def _shape(self, y: Any) -> tuple[int, str]:
        kind, n = self._kind, len(self.classes_)
        output = self.output_activation or ("softmax" if kind == "multiclass" else "logistic")
        if output == "softmax" and (kind.startswith("multilabel") or n < 2):
            raise ValueError(
                "output_activation: expected 'logistic' with multilabel targets or one class, "
                "found 'softmax'"
            )
        if output == "softmax":
            return n, output
        return (1 if kind == "binary" else n), "sigmoid"

    def _encoded(self, y: Any, dtype: np.dtype[Any]) -> tuple[Any, Any]:
        if self._shape(y)[1] == "softmax":
            return np.searchsorted(self.classes_, y).astype(np.int64, copy=False), None
        if self._kind == "binary":
            one = self.classes_[-1] if len(self.classes_) > 1 else None
            return None, (np.asarray(y) == one).astype(dtype).reshape(-1, 1)
        values = self._label_binarizer.transform(y)
        values = values.toarray() if hasattr(values, "toarray") else values
        return None, np.ascontiguousarray(values, dtype)

    def _goal(self) -> Goal:
        if self.network_.output == "softmax":
            return Goal("cross_entropy")
        n = self.n_outputs_  # there a sum over outputs, here a mean
        return Goal("binary_cross_entropy", output_weights=() if n == 1 else (float(n),) * n)

    def _weighted(self, y: Any, weights: Array | None, incremental: bool) -> Array | None:
        return class_weighted(self.class_weight, y, weights, incremental)

    def _strata(self, problem: Problem) -> Any:
        if self.n_outputs_ > 1:
            return None
        assert problem.values is not None
        return np.where(problem.values[:, 0] > 0.5, "True", "False")  # scikit-learn's names

    def _validation_targets(self, y: Any) -> Any:
        y = np.asarray(y) if not hasattr(y, "toarray") else y
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        unknown = np.setdiff1d(unique_labels(y), self.classes_)
        if len(unknown):
            raise ValueError(f"y_val: expected classes of {self.classes_}, found {unknown}")
        return y

    def _held_out_score(self, x: Any, y: Any, weights: Array | None) -> float:
        single = self._kind == "binary" and len(self.classes_) == 1  # predicted, whatever comes out
        labels, values = self._encoded(y, self.network_.dtype)
        outputs = self._forward(x)
        if not np.isfinite(outputs).all():
            return float("nan")
        if labels is not None:
            right = outputs.argmax(axis=1) == labels
        elif self._kind == "multiclass":
            right = outputs.argmax(axis=1) == values.argmax(axis=1)
        else:
            right = ((outputs > 0.5) == (values > 0.5)).all(axis=1) | single
        return float(np.average(right, weights=weights))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of predictions, as scikit-learn computes it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Classes.
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

    def predict(self, X: Any) -> Any:
        """Return the classes of rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples,) or, for multilabel, (n_samples, n_labels)

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If `X` isn't such rows of finite numbers.
        """
        y = self._outputs(X)
        if self._kind.startswith("multilabel"):
            return self._label_binarizer.inverse_transform(y)
        if y.shape[1] > 1:
            return self.classes_[y.argmax(axis=1)]
        return self.classes_[(y[:, 0] > 0.5).astype(np.intp) * (len(self.classes_) > 1)]

    def predict_proba(self, X: Any) -> Array:
        """Return the classes' probabilities, in the order of `classes_`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes), of the network's dtype
            Of one against the rest, where every output is 0, alike.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If `X` isn't such rows of finite numbers.
        """
        y = self._outputs(X)
        with _core.OurEnvironment():
            if y.shape[1] == 1:
                return np.concatenate([1 - y, y], axis=1)
            if self._against_the_rest:
                total = y.sum(axis=1, keepdims=True)
                y[total[:, 0] < np.finfo(y.dtype).tiny] = 1 / y.shape[1]
                y /= y.sum(axis=1, keepdims=True)
        return y

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of `predict_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes), of the network's dtype

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If `X` isn't such rows of finite numbers.
        """
        y = self.predict_proba(X)
        with _core.OurEnvironment():
            found: Array = np.log(y, out=y)
        return found

    def input_gradient(self, X: Any, target: Any = None) -> Array:
        """Return how the probability of a class changes with each input.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        target : class or array-like of shape (n_samples,), optional
            The class, or each row's; by default the one that `predict` returns. For multilabel the
            number of a label, needed.

        Returns
        -------
        ndarray of shape (n_samples, n_features)

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If `X` isn't such rows; for a class that isn't one of `classes_`.
        """
        check_is_fitted(self, "network_")
        x = self._valid(X)
        if target is None and self._kind.startswith("multilabel"):
            raise ValueError("target: expected the number of a label for multilabel, found None")
        wanted = self.predict(x) if target is None else target
        at = class_numbers(self.classes_, wanted, x.shape[0])
        return self._input_gradient(
            x,
            lambda dense, rows: class_slopes(
                self.network_, dense, at[rows], self._against_the_rest
            ),
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

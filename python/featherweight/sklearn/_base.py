"""What the classifier and the regressor share."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..callbacks import check_callbacks
from ..jobs import Job
from ..network import Network
from . import _checks, _optimizers, _weights
from ._callbacks import Callbacks
from ._files import Saving
from ._training import Goal, Problem, Stochastic, by_lbfgs

Array = NDArray[Any]

# What a sparse matrix may take when made dense, in bytes; above, it is made so batch by batch
DENSE = 1 << 30
_SKLEARN = {ours: theirs for theirs, ours in _checks.NAMES.items()}


class BaseMLP(Callbacks, Saving, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A multi-layer perceptron with scikit-learn's parameters, trained by a `Network`."""

    network_: Network
    _parameter_constraints: dict[str, Any] = _checks.CONSTRAINTS

    def _keep(self, values: dict[str, Any]) -> None:
        """Store what __init__ was given."""
        self.__dict__.update((k, v) for k, v in values.items() if k not in ("self", "__class__"))

    # What the two differ in

    def _targets(self, x: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        """Return x and y, checked; learn the classes."""
        raise NotImplementedError

    def _encoded(self, y: Any, dtype: np.dtype[Any]) -> tuple[Any, Any]:
        """Return y as (labels, None) or (None, values)."""
        raise NotImplementedError

    def _shape(self, y: Any) -> tuple[int, str]:
        """Return how many outputs there are, and our name of their activation."""
        raise NotImplementedError

    def _goal(self) -> Goal:
        raise NotImplementedError

    def _held_out_score(self, x: Any, y: Any, weights: Array | None) -> float:
        raise NotImplementedError

    def _weighted(self, y: Any, weights: Array | None, incremental: bool) -> Array | None:
        return weights

    # Training

    def _fit(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        validation_data: Any = None,
        incremental: bool = False,
    ) -> Any:
        hidden = _checks.hidden_sizes(self)
        acts = _checks.activations(self, len(hidden))
        _checks.combination(self, len(hidden))
        callbacks = check_callbacks(self.callbacks)
        _optimizers.make(self)  # for its sentence on a schedule that is none
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        x, y = self._targets(x, y, incremental, first)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, x, dtype=x.dtype)
        weights = self._weighted(y, sample_weight, incremental)
        outputs, output = self._shape(y)
        sizes = [x.shape[1], *hidden, outputs]
        if first or "network_" not in self.__dict__ or not hasattr(self, "_random_state"):
            self._begin(sizes, acts, output, x.dtype, first)
        elif list(self.network_.sizes) != sizes:
            raise ValueError(
                f"hidden_layer_sizes: expected the network's sizes {list(self.network_.sizes)} "
                f"to go on, found {sizes}"
            )
        self.network_.threads = self.threads
        dtype = self.network_.dtype
        if hasattr(x, "toarray"):
            fits = x.shape[0] * x.shape[1] * dtype.itemsize <= DENSE
            x = x.toarray() if fits or self.solver == "lbfgs" else x.tocsr()
        if not hasattr(x, "toarray"):
            x = np.ascontiguousarray(x, dtype)
        weights = None if weights is None else np.ascontiguousarray(weights, dtype)
        problem = Problem(x, *self._encoded(y, dtype), weights)
        held_out = None if validation_data is None else self._checked(validation_data)
        context = self._bridge(x, y, sample_weight)
        if context is not None:
            callbacks.append(context)
        if self.solver == "lbfgs":
            self.history_ = by_lbfgs(self, problem, self._goal(), callbacks)
        else:
            self._by_steps(problem, y, held_out, callbacks, incremental)
        if context is not None:
            context.close()
        return self

    def _begin(
        self, sizes: list[int], acts: list[str], output: str, dtype: Any, first: bool
    ) -> None:
        """Make the network, with scikit-learn's initial weights or those that were given."""
        self._random_state = check_random_state(self.random_state)
        given = None if first else (self.coefs_, self.intercepts_)
        coefs, intercepts = given or _weights.initial(self._random_state, sizes, acts)
        drops = bool(np.any(self.dropout)) or self.input_dropout > 0
        seed = int(self._random_state.randint(1 << 31 - 1)) if drops else 0
        network = Network(sizes, acts, output, dtype=dtype, rng=seed, threads=self.threads)
        _weights.store(network, "weights", coefs)
        _weights.store(network, "biases", intercepts)
        self.__dict__.pop("_given", None)
        self.network_ = network
        self.n_iter_ = self.t_ = 0
        self.n_outputs_, self.n_layers_ = sizes[-1], len(sizes)
        self.out_activation_ = _SKLEARN.get(output, output)
        self._no_improvement_count = 0
        self._order: Any = None
        self._split_state: Any = None
        self.__dict__.pop("_optimizer", None)
        if self.solver == "lbfgs":
            return
        self.loss_curve_: list[float] = []
        stopping = self.early_stopping
        self.best_loss_ = None if stopping else np.inf
        self.best_validation_score_ = -np.inf if stopping else None
        self.validation_scores_: list[float] | None = [] if stopping else None

    def _by_steps(
        self, problem: Problem, y: Any, held_out: Any, callbacks: list[Any], incremental: bool
    ) -> None:
        network, rows = self.network_, None
        self._optimizer = _optimizers.renewed(self, self.__dict__.get("_optimizer"))
        if self.early_stopping and held_out is None:
            rows, held_out = self._split(problem, y)
        if held_out is not None and self.validation_scores_ is None:
            self.validation_scores_ = []
        n = problem.rows if rows is None else len(rows)
        batch = min(200, n)
        if self.batch_size != "auto":
            if self.batch_size > n:
                warnings.warn(
                    "Got `batch_size` less than 1 or larger than sample size. It is going to be "
                    "clipped",
                    stacklevel=2,
                )
            batch = min(int(self.batch_size), n)
        plan = self._goal().plan(
            self, network,
            epochs=1 if incremental else int(self.max_iter), batch_size=batch,
            optimizer=self._optimizer, limits=(0.0, 0.0, float(self.alpha)), count_rows=True,
            classifier=network.output == "softmax", callbacks=callbacks,
        )  # fmt: skip
        validation = None
        if held_out is not None and (callbacks or self.schedule is not None):
            validation = self._job(*held_out)
        run = Stochastic(self, problem, self._goal(), plan, rows, held_out, validation)
        run.incremental = incremental
        if self.early_stopping:
            run.best = network.parameters.copy()
        self.n_iter_ = 0
        if not (self.warm_start or incremental):
            self._order = None
        try:
            self.history_ = network._run(run, None, None)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=2)
            self.history_ = run.history
        finally:
            if not (self.warm_start or incremental):
                self._order = None  # as long as the rows, and of no more use
        if run.best is not None:
            network.parameters[:] = run.best

    def _split(self, problem: Problem, y: Any) -> tuple[Array, Any]:
        """Return the rows to train on, and the others with their targets and weights."""
        if self._split_state is None:
            # a warm start leaves out the same rows, whose score would mean nothing else
            self._split_state = self._random_state.get_state()
            random_state = self._random_state
        else:
            random_state = np.random.RandomState()
            random_state.set_state(self._split_state)
        train, rest = train_test_split(
            np.arange(problem.rows), random_state=random_state,
            test_size=self.validation_fraction, stratify=self._strata(problem),
        )  # fmt: skip
        if len(rest) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        weights = None if problem.weights is None else problem.weights[rest]
        return train, (problem.x[rest], y[rest], weights)

    def _strata(self, problem: Problem) -> Any:
        return None

    def _checked(self, given: Any) -> Any:
        """Return validation data as (x, y, weights or None)."""
        if not isinstance(given, (tuple, list)) or not 2 <= len(given) <= 3:
            raise TypeError("validation_data: expected (X, y) or (X, y, sample_weight)")
        x = self._valid(given[0])
        y = self._validation_targets(given[1])
        if len(y) != x.shape[0] or not len(y):
            raise ValueError(
                f"validation_data: expected as many targets as rows, found {len(y)} and "
                f"{x.shape[0]}"
            )
        weights = given[2] if len(given) == 3 else None
        if weights is not None:
            weights = _check_sample_weight(weights, x)
        return x, y, weights

    def _validation_targets(self, y: Any) -> Any:
        raise NotImplementedError

    def _job(self, x: Any, y: Any, weights: Array | None) -> Job:
        dtype = self.network_.dtype
        dense = x.toarray() if hasattr(x, "toarray") else x
        weights = None if weights is None else np.ascontiguousarray(weights, dtype)
        return Job(np.ascontiguousarray(dense, dtype), *self._encoded(y, dtype), weights)

    # What comes out

    def _valid(self, x: Any) -> Any:
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
        """Return the network's outputs for rows that have been checked, sparse ones in parts."""
        if not hasattr(x, "toarray"):
            y: Array = self.network_(x)
            return y
        x, rows = x.tocsr(), 1024
        parts = [self.network_(x[i : i + rows].toarray()) for i in range(0, x.shape[0], rows)]
        return np.concatenate(parts)

    def transform(self, X: Any, layer: int = -1) -> Array:
        """Return a hidden layer's activations.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        layer : int
            Of the hidden layers, the first being 0; counted from the last if negative.

        Returns
        -------
        ndarray of shape (n_samples, units of the layer), of the network's dtype

        Raises
        ------
        IndexError
            If there is no such layer.
        """
        check_is_fitted(self, "network_")
        x = self._valid(X)
        hidden = self.n_layers_ - 2
        if not -hidden <= layer < hidden:
            raise IndexError(f"layer: expected {-hidden} to {hidden - 1}, found {layer}")
        dense = x.toarray() if hasattr(x, "toarray") else x
        found: Array = self.network_.activations(dense)[1 + layer % hidden]
        return found

    @property
    def _n_features_out(self) -> int:
        return int(self.network_.sizes[-2])

    # scikit-learn's names of the parameters

    def _parameters(self, name: str, kind: str) -> list[Array]:
        network = self.__dict__.get("network_")
        if network is not None:
            return _weights.Parameters(network, kind)
        try:
            found: list[Array] = self.__dict__["_given"][name]
        except KeyError:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
            ) from None
        return found

    def _assign(self, name: str, kind: str, values: Any) -> None:
        network = self.__dict__.get("network_")
        if network is None:
            self.__dict__.setdefault("_given", {})[name] = values
        else:
            _weights.store(network, kind, values)

    @property
    def coefs_(self) -> list[Array]:
        """The weights by layer, (inputs, outputs); assigning, the list or an item, stores."""
        return self._parameters("coefs_", "weights")

    @coefs_.setter
    def coefs_(self, values: Any) -> None:
        self._assign("coefs_", "weights", values)

    @property
    def intercepts_(self) -> list[Array]:
        """The biases by layer, (outputs,); assigning, the list or an item, stores."""
        return self._parameters("intercepts_", "biases")

    @intercepts_.setter
    def intercepts_(self, values: Any) -> None:
        self._assign("intercepts_", "biases", values)

    # What it is to scikit-learn, and its pickle

    def _check_solver(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers. "
                f"{self.solver} is not stochastic."
            )
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "_optimizer" in state:
            kept = _optimizers.state_of(state["_optimizer"], self.network_)
            if kept is not None:
                state["_optimizer_state"] = kept
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        kept = state.pop("_optimizer_state", None)
        super().__setstate__(state)
        if kept is not None:
            _optimizers.restore(self._optimizer, self.network_, kept)

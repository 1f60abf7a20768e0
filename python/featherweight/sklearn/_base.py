"""What the classifier and the regressor share."""

import copy
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
from sklearn.utils.validation import _check_sample_weight

from .. import _core
from ..network import Network
from ..support.checks import converted, counted
from ..support.tables import refuse_batches, refuse_lazy
from ..support.threads import check_threads
from ..training.callbacks import check_callbacks
from ..training.fit import carry_out
from ..training.unscaled import warn_of_bytes_in_table
from . import _books, _checks, _data, _optimizers, _weights
from ._callbacks import Callbacks
from ._data import Problem
from ._files import Saving
from ._names import Names
from ._outputs import Outputs
from ._training import Goal, Stochastic, by_lbfgs
from ._weights import Weights

Array = NDArray[Any]

for _kind in (np.float32, np.float64):  # NumPy looks at them once, in the caller's environment
    np.finfo(_kind)


class BaseMLP(
    Callbacks,
    Saving,
    Outputs,
    Weights,
    Names,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """A multi-layer perceptron with scikit-learn's parameters, trained by a `Network`."""

    network_: Network
    _optimizer: _optimizers.Stepped
    _parameter_constraints: dict[str, Any] = _checks.CONSTRAINTS

    def _keep(self, values: dict[str, Any]) -> None:
        """Store what __init__ was given."""
        self.__dict__.update((k, v) for k, v in values.items() if k not in ("self", "__class__"))

    # What the two differ in

    def _targets(self, x: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        """Return x and y, checked; learn the classes."""
        raise NotImplementedError

    def _know(self, y: Any, classes: Any) -> None:
        """Take note of what partial_fit is told of classes."""

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
        validation: tuple[Any, Any, Any] = (None, None, None),
        incremental: bool = False,
        classes: Any = None,
    ) -> Any:
        # rounding as the caller has set it would show in the initial weights, splits and scores
        with _core.OurEnvironment(), _books.Attempt(self) as attempt:
            arrays = {"X": x, "y": y, "sample_weight": sample_weight, "classes": classes}
            for name, value in arrays.items():
                refuse_lazy(name, value)
                refuse_batches(name, value)
            warn_of_bytes_in_table(x)
            hidden = _checks.hidden_sizes(self)
            acts = _checks.activations(self, len(hidden))
            _checks.combination(self, len(hidden))
            callbacks = check_callbacks(self.callbacks)
            _optimizers.make(self)  # for its sentence on a schedule that is none
            if self.early_stopping and incremental:
                raise ValueError("partial_fit does not support early_stopping=True")
            first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
            if incremental:
                self._know(y, classes)
            x, y = self._targets(x, y, incremental, first)
            if sample_weight is not None:
                sample_weight = _check_sample_weight(sample_weight, x, dtype=x.dtype)
            weights = self._weighted(y, sample_weight, incremental)
            outputs, output = self._shape(y)
            sizes = [x.shape[1], *hidden, outputs]
            held_out = _data.checked(self, y, *validation)
            # a network made of given weights has none of what training keeps
            mine = self.__dict__
            begun = "network_" in mine and "_split_state" in mine and "_random_state" in mine
            if first or not begun:
                self._begin(sizes, acts, output, x.dtype, first)
            else:
                self._go_on(sizes, acts, output)
            self.network_.threads = self.threads
            dtype = self.network_.dtype
            if hasattr(x, "toarray"):
                dense = self.solver == "lbfgs" or _data.fits(x, dtype)
                x = x.toarray() if dense else x.tocsr()
            if not hasattr(x, "toarray"):
                x = converted("X", x, dtype)
            if weights is not None:
                weights = converted("sample_weight", weights, dtype)
            problem = Problem(x, *self._encoded(y, dtype), weights)
            epochs = 1 if incremental else int(self.max_iter)
            context = self._bridge(x, y, sample_weight, epochs)
            if context is not None:
                callbacks.append(context)
            if self.solver == "lbfgs":
                self.__dict__.pop("_optimizer", None)
                self.history_ = by_lbfgs(self, attempt, problem, self._goal(), callbacks)
            else:
                self._by_steps(attempt, problem, y, held_out, callbacks, epochs, incremental)
            if context is not None:
                with _core.CallersEnvironment():
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
        self.n_outputs_, self.n_layers_ = sizes[-1], len(sizes)
        self.out_activation_ = _checks.SKLEARN.get(output, output)
        self._order: Any = None
        self._split_state: Any = None
        self.__dict__.pop("_optimizer", None)
        _books.begin(self)

    def _go_on(self, sizes: list[int], acts: list[str], output: str) -> None:
        """Have the network go on, its weights in another one if the activations have changed."""
        before = self.network_
        _, *hidden, outputs = before.sizes
        if sizes[1:-1] != hidden:
            raise ValueError(
                f"hidden_layer_sizes: expected {hidden} to go on, as before, found {sizes[1:-1]}"
            )
        if sizes[-1] != outputs:
            raise ValueError(
                f"y, output_activation: expected {counted(outputs, 'output')} to go on, as before, "
                f"found {sizes[-1]}"
            )
        if (list(before.activation), before.output) == (acts, output):
            return
        network = Network(sizes, acts, output, dtype=before.dtype, rng=0, threads=self.threads)
        network.parameters[:] = before.parameters
        network._generator = copy.copy(before._generator)
        self.network_ = network
        self.out_activation_ = _checks.SKLEARN.get(output, output)
        if "_optimizer" in self.__dict__:
            self._optimizer = _optimizers.moved(self._optimizer, before, network)

    def _by_steps(
        self,
        attempt: _books.Attempt,
        problem: Problem,
        y: Any,
        held_out: Any,
        callbacks: list[Any],
        epochs: int,
        incremental: bool,
    ) -> None:
        network, rows = self.network_, None
        if self.early_stopping and held_out is None:
            rows, held_out = self._split(problem, y)
        _books.go_on(self, held_out)
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
        validation = None
        if held_out is not None and (callbacks or self.schedule is not None):
            validation = _data.samples(self, *held_out)
        self._optimizer = _optimizers.renewed(self, self.__dict__.get("_optimizer"))
        plan = self._goal().plan(
            self, network,
            epochs=epochs, batch_size=batch,
            optimizer=self._optimizer, limits=(0.0, 0.0, float(self.alpha)), count_rows=True,
            classifier=network.output == "softmax", callbacks=callbacks,
        )  # fmt: skip
        run = Stochastic(self, attempt, problem, self._goal(), plan, rows, held_out, validation)
        run.incremental = incremental
        if self.early_stopping:
            run.best = network.parameters.copy()
        self.n_iter_ = 0
        if not (self.warm_start or incremental):
            self._order = None
        try:
            self.history_ = carry_out(run, None)
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

    def _validation_targets(self, y: Any) -> Any:
        """Return y_val, checked against what was learned of y."""
        raise NotImplementedError

    # What it is to scikit-learn, and its pickle

    def set_params(self, **params: Any) -> Any:
        """Set parameters; `threads` holds at once, all others from the next call of `fit`.

        Parameters
        ----------
        **params : dict
            By name.

        Returns
        -------
        MLPClassifier or MLPRegressor
            Itself.

        Raises
        ------
        TypeError, ValueError
            If there is no such parameter, or `threads` of a fitted estimator isn't 1 to 1024.
        """
        network = self.__dict__.get("network_")
        if network is not None and "threads" in params:
            check_threads(params["threads"])
        super().set_params(**params)
        if network is not None and "threads" in params:
            network.threads = self.threads
        return self

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
        optimizer = _optimizers.of(state)
        if optimizer is not None:
            kept = _optimizers.state_of(optimizer, self.network_)
            if kept is not None:
                state["_optimizer_state"] = kept
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        kept = state.pop("_optimizer_state", None)
        super().__setstate__(state)
        if kept is not None:
            _optimizers.restore(self._optimizer, self.network_, kept)

"""What a network does with targets: learn, and be judged. The arguments' front door."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import numpy as np

from . import _core
from .support import checks
from .support.hints import Strict, named
from .support.imports import ensure_imported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from .model.gradients import Gradients
    from .model.samples import Job
    from .network import Network
    from .optimizers import Optimizer
    from .training.history import History


class Learning(Strict, _core.ForwardCall):
    """The half of `Network` that needs targets; a base class only so that files stay short."""

    _sizes: tuple[int, ...]
    _output: str
    _dtype: np.dtype[Any]
    _key: int
    _epochs: int
    _partial: Optimizer | None = None
    _history: History | None = None

    @property
    def _network(self) -> Network:
        return cast("Network", self)

    @named
    def predict(self, x: ArrayLike, *, threshold: float | None = None) -> Any:
        """Return class indices for a classifier, values for a regressor.

        A network with a softmax or sigmoid output is a classifier: (rows,) int64, the largest
        output or, of a single sigmoid, whether it is above 0.5. Otherwise (rows, outputs), or
        (rows,) for one output. A single row `x` gives the same without its first axis. With a
        `threshold`, for multilabel: (rows, outputs) int64, 1 where an output is above it.

        Raises
        ------
        TypeError, ValueError
            For a wrong shape or dtype; where a class should follow from an output that is NaN, of
            rows that hold NaN or infinity: these are named by row and column. A regressor answers
            NaN with NaN.
        """
        limit = None if threshold is None else checks.number("threshold", threshold, 0.0, 1.0)
        y = self(x)
        found = self._predicted(y) if limit is None else (y > limit).astype(np.int64)
        if limit is None and checks.output_kind(self._output) == "regressor":
            return found
        # the quickest ways to see a NaN: argmax stops at it, and sums carry it on
        one = y.ndim == 1 and y.size > 1 and limit is None
        if math.isnan(y.item(found) if one else np.vdot(y, y)):
            self._refuse_nan(x, y)
        return found

    def _refuse_nan(self, x: ArrayLike, y: NDArray[Any]) -> None:
        """Say of which row the outputs are NaN, for no class follows from them, and why."""
        rows = np.flatnonzero(np.isnan(y.reshape(-1, y.shape[-1])).any(axis=1))
        self._refuse_not_finite(x, checks.inputs(x, self._sizes[0], self._dtype, mapped=True), rows)
        raise ValueError(
            f"outputs: expected numbers, found nan in row {rows[0]}, whose inputs are finite; are "
            "the weights?"
        )

    def _refuse_not_finite(
        self,
        x: ArrayLike,
        read: NDArray[Any],
        rows: NDArray[np.int64] | None = None,
        name: str = "x",
    ) -> None:
        """Say where rows that were given as x hold NaN or infinity, if they do."""
        ensure_imported(".support.not_finite", ".support.tables")
        from .support import not_finite, tables

        names = tables.column_names(x)
        found = not_finite.first(read, self._dtype, rows=rows, columns=names)
        if found is not None:
            raise ValueError(f"{name}: expected finite numbers, found {found}")

    def _predicted(self, y: NDArray[Any]) -> Any:
        one = self._sizes[-1] == 1
        if checks.output_kind(self._output) == "regressor":
            return y[..., 0] if one and y.ndim == 2 else y
        return (y[..., 0] > 0.5).astype(np.int64) if one else y.argmax(-1)

    @named
    def score(self, x: ArrayLike, y: ArrayLike) -> float:
        """Return the accuracy of a classifier, or a regressor's R² averaged over its outputs.

        `y` holds class labels (rows,) or rows of targets (rows, outputs), of which a classifier
        compares the largest; of multilabel targets (0 and 1, not one 1 in every row) those rows
        count of which every output is on the right side of 0.5. NaN without rows.

        Raises
        ------
        TypeError, ValueError
            For wrong arguments, or if an output is NaN, as of rows that hold NaN or infinity.
        """
        ensure_imported(".losses", ".training.metrics", ".model.samples")
        from . import losses
        from .model.samples import multilabel
        from .training import metrics

        job = self._job(x, y, None, losses.default(self._output), check="mse")
        if job.n == 0:
            return math.nan
        with _core.OurEnvironment():
            found = job.outputs(self._network)
            if math.isnan(np.vdot(found, found)):
                self._refuse_nan(x, found)
            if checks.output_kind(self._output) == "regressor":
                return metrics.r2(job.targets, found)
            if multilabel(job):
                return metrics.accuracy(job.targets, found, True)
            if self._sizes[-1] == 1:
                return float(((found > 0.5) == (job.targets > 0.5)).mean())
            truth = job.labels if job.values is None else job.values.argmax(axis=1)
            return float((found.argmax(axis=1) == truth).mean())

    # Learning

    def _job(
        self,
        x: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        loss: str,
        *,
        name: str = "",
        check: str | None = None,
        zeros: bool = False,
    ) -> Job:
        ensure_imported(".model.targets", ".model.samples", ".remembering")
        from .model import targets
        from .model.samples import Job

        rows = checks.inputs(x, self._sizes[0], self._dtype, mapped=True, name=f"{name}x")
        if hasattr(x, "columns"):  # a table, which is read column by column anyway
            self._refuse_not_finite(x, rows, name=f"{name}x")
        n, outputs, y_name = rows.shape[0], self._sizes[-1], f"{name}y"
        if np.ndim(x) == 1 and outputs > 1 and np.shape(y) == (outputs,):
            y = checks.real_array(y_name, y)[np.newaxis]
        labels, values = targets.check(y, n, outputs, self._dtype, check or loss, y_name)
        weights = checks.sample_weights(
            sample_weight, n, self._dtype, zeros=zeros, name=f"{name}sample_weight"
        )
        return Job(rows, labels, values, weights)

    def _dropout(self, hidden: float | Sequence[float], inputs: float) -> tuple[float, ...]:
        """Return the rate at which each layer's inputs are dropped."""
        return checks.dropout(hidden, inputs, len(self._sizes) - 2)

    @overload
    def gradients(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        loss: Any = None,
        sample_weight: ArrayLike | None = None,
        output_weights: Sequence[float] | None = None,
        dropout: float | Sequence[float] = 0.0,
        input_dropout: float = 0.0,
        label_smoothing: float = 0.0,
        rng: Any = None,
        flat: Literal[False] = False,
    ) -> tuple[float, Gradients]: ...
    @overload
    def gradients(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        loss: Any = None,
        sample_weight: ArrayLike | None = None,
        output_weights: Sequence[float] | None = None,
        dropout: float | Sequence[float] = 0.0,
        input_dropout: float = 0.0,
        label_smoothing: float = 0.0,
        rng: Any = None,
        flat: Literal[True],
    ) -> tuple[float, NDArray[Any]]: ...
    @named
    def gradients(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        loss: Any = None,
        sample_weight: ArrayLike | None = None,
        output_weights: Sequence[float] | None = None,
        dropout: float | Sequence[float] = 0.0,
        input_dropout: float = 0.0,
        label_smoothing: float = 0.0,
        rng: Any = None,
        flat: bool = False,
    ) -> tuple[float, Any]:
        """Return the loss of all rows as one batch, and its gradients.

        Arguments are those of `fit`. With dropout the masks are those of the first epoch under
        `rng` (by default the network's own seed), the same in every call.

        Returns
        -------
        loss : float
        gradients : Gradients, or array if `flat`
            ``weights[i]`` (outputs, inputs), ``biases[i]`` (outputs,) and ``input`` (rows,
            inputs); flat, one array in the order of `parameters`, padding 0.

        Raises
        ------
        TypeError, ValueError
            For wrong arguments, or if rows hold NaN or infinity and the loss is not finite.
        """
        ensure_imported(".losses", ".model.gradients")
        from . import losses

        kind = losses.resolve(loss, self._output)
        smoothing = losses.check_smoothing(label_smoothing, kind)
        job = self._job(x, y, sample_weight, kind.name)
        packed = np.empty(self._core.packed_size, self._dtype)
        dx = None if flat else np.empty(job.x.shape, self._dtype)
        trainer = _core.CoreTrainer(
            self._core, kind.name, max(1, job.n), kind.parameter, smoothing,
            checks.output_weights(output_weights, self._sizes[-1], kind.name),
        )  # fmt: skip
        rates = self._dropout(dropout, input_dropout)
        if any(rates):
            trainer.drop(rates, self._key if rng is None else checks.key(rng))
        value, _ = trainer.gradients(*job[:4], packed, dx)
        if not math.isfinite(value):
            self._refuse_not_finite(x, job.x)
        if dx is None:
            return value, packed
        return value, self._unpacked(packed, dx[0] if np.ndim(x) == 1 else dx)

    def _unpacked(self, packed: NDArray[Any], dx: NDArray[Any]) -> Gradients:
        ensure_imported(".model.gradients")
        from .model.gradients import Gradients

        layers = range(len(self._sizes) - 1)
        return Gradients(
            tuple(self._core.weights(i, packed) for i in layers),
            tuple(self._core.bias(i, packed) for i in layers),
            dx,
        )

    @named
    def backward(self, x: ArrayLike, dy: ArrayLike) -> Gradients:
        """Return the gradients of a loss of one's own, given its gradient at the outputs.

        Parameters
        ----------
        x : (rows, inputs) or (inputs,) array
            As in a call.
        dy : (rows, outputs) or (outputs,) array
            The derivative of the loss with respect to each element of ``net(x)``, after the output
            activation (softmax included).

        Returns
        -------
        Gradients
            ``weights[i]`` (outputs, inputs), ``biases[i]`` (outputs,) and ``input``, of x's shape:
            what `Optimizer.step` takes.

        Raises
        ------
        TypeError, ValueError
            For arrays of another shape, or of anything but real numbers.
        """
        rows = checks.inputs(x, self._sizes[0], self._dtype)
        upstream = checks.converted("dy", checks.real_array("dy", dy), self._dtype)
        single = np.ndim(x) == 1
        shape = self._sizes[-1:] if single else (rows.shape[0], self._sizes[-1])
        if upstream.shape != shape:
            raise ValueError(f"dy: expected shape {shape}, found {upstream.shape}")
        packed = np.empty(self._core.packed_size, self._dtype)
        dx = np.empty(rows.shape, self._dtype)
        trainer = _core.CoreTrainer(self._core, "mse", max(1, rows.shape[0]))
        trainer.backward(rows, upstream, packed, dx)
        return self._unpacked(packed, dx[0] if single else dx)

    @named
    def evaluate(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        loss: Any = None,
        sample_weight: ArrayLike | None = None,
        output_weights: Sequence[float] | None = None,
    ) -> tuple[float, float]:
        """Return the loss over all rows, whatever the batch size in training, and `score`.

        Arguments are those of `fit`. Weights weigh the loss; the score counts rows. Raises
        ValueError where rows hold NaN or infinity and the loss or the score is not finite.
        """
        ensure_imported(".losses", ".model.samples", ".training.metrics")
        from . import losses
        from .model.samples import BLOCK

        kind = losses.resolve(loss, self._output)
        job = self._job(x, y, sample_weight, kind.name)
        trainer = _core.CoreTrainer(
            self._core, kind.name, max(1, min(BLOCK, job.n)), kind.parameter, 0.0,
            checks.output_weights(output_weights, self._sizes[-1], kind.name),
        )  # fmt: skip
        value = trainer.evaluate(*job)[0]
        if not math.isfinite(value):
            self._refuse_not_finite(x, job.x)
        return value, self.score(x, y)

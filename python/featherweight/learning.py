"""What a network does with targets: learn, and be judged. The arguments' front door."""

import math
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core, checks, training
from .gradients import Gradients, check_limits
from .optimizers import Optimizer

if TYPE_CHECKING:
    from .network import Network
    from .training import History

_DEFAULT_LOSS = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}
_ENDS = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}


class Learning(_core.ForwardCall):
    """The half of `Network` that needs targets; a base class only so that files stay short."""

    _sizes: tuple[int, ...]
    _output: str
    _dtype: np.dtype[Any]
    _key: int
    _epochs: int

    @property
    def _network(self) -> "Network":
        return cast("Network", self)

    def predict(self, x: ArrayLike) -> Any:
        """Return class indices for a classifier, values for a regressor.

        A network with a softmax or sigmoid output is a classifier: (rows,) int64, the largest
        output or, of a single sigmoid, whether it is above 0.5. Otherwise (rows, outputs), or
        (rows,) for one output. A single row `x` gives the same without its first axis.
        """
        y, one = self(x), self._sizes[-1] == 1
        if checks.output_kind(self._output) == "regressor":
            return y[..., 0] if one and y.ndim == 2 else y
        return (y[..., 0] > 0.5).astype(np.int64) if one else y.argmax(-1)

    def score(self, x: ArrayLike, y: ArrayLike) -> float:
        """Return the accuracy of a classifier, or a regressor's R² averaged over its outputs.

        `y` holds class labels (rows,) or rows of targets (rows, outputs), of which a classifier
        compares the largest. NaN without rows.
        """
        job = self._job(x, y, None, _DEFAULT_LOSS.get(self._output, "mse"), check="mse")
        rows = job.x.shape[0]
        if rows == 0:
            return math.nan
        found = self(job.x)
        if checks.output_kind(self._output) == "classifier":
            n = self._sizes[-1]
            if n == 1:
                assert job.values is not None
                return float(((found > 0.5) == (job.values > 0.5)).mean())
            truth = job.labels if job.values is None else job.values.argmax(axis=1)
            return float((found.argmax(axis=1) == truth).mean())
        if job.values is None:
            values = np.eye(self._sizes[-1])[job.labels]
        else:
            values = job.values.astype(np.float64)
        rest = ((values - found) ** 2).sum(axis=0)
        spread = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
        # a constant column: 1 if it is met exactly, else 0, as scikit-learn has it
        r2 = np.where(spread > 0, 1 - rest / np.where(spread > 0, spread, 1), rest == 0)
        return float(r2.mean())

    # Learning

    def _loss(self, loss: str | None) -> str:
        if loss is None:
            return _DEFAULT_LOSS.get(self._output, "mse")
        checks.choice("loss", loss, _core.losses())
        if _ENDS.get(loss, self._output) != self._output:
            raise ValueError(
                f"loss: expected output={_ENDS[loss]!r} with {loss!r}, "
                f"found output={self._output!r}"
            )
        return loss

    def _job(
        self,
        x: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        loss: str,
        *,
        what: str = "y",
        check: str | None = None,
    ) -> training.Job:
        rows = checks.inputs(x, self._sizes[0], self._dtype)
        n = rows.shape[0]
        if np.ndim(x) == 1 and self._sizes[-1] > 1 and np.shape(y) == self._sizes[-1:]:
            y = np.asarray(y)[np.newaxis]
        labels, values = checks.targets(y, n, self._sizes[-1], self._dtype, check or loss, what)
        return training.Job(
            rows, labels, values, checks.sample_weights(sample_weight, n, self._dtype)
        )

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        optimizer: Optimizer | None = None,
        loss: str | None = None,
        shuffle: bool = True,
        rng: Any = None,
        sample_weight: ArrayLike | None = None,
        validation_data: tuple[ArrayLike, ArrayLike] | None = None,
        l2: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        callbacks: Any = (),
        progress: bool | Literal["auto"] = "auto",
    ) -> "History":
        """Train by mini-batches.

        Parameters
        ----------
        x : (rows, inputs) array
            Read in place as in a call, rows gathered by index, never copied as a whole.
        y : (rows,) or (rows, outputs) array
            Class labels from 0 (one-hot encoded), or targets; (rows,) values for a single output.
        epochs, batch_size : int
            At least 0 and 1. The last batch of an epoch may be shorter.
        optimizer : SGD, Adam, AdamW or RMSprop, optional
            Adam() by default. It keeps its state for the next call with this network.
        loss : str, optional
            ``cross_entropy`` (default for, and only with, softmax; the mean over rows),
            ``binary_cross_entropy`` (likewise, sigmoid; the mean over all elements) or ``mse`` (the
            mean over all elements).
        shuffle : bool
            Take the rows in a new random order each epoch.
        rng : as in `Network`, optional
            Orders the rows; by default the network's own generator goes on.
        sample_weight : (rows,) array, optional
            At least 0: a batch's loss is the weighted mean of its rows'. Accuracy counts rows.
        validation_data : (x, y), optional
            Evaluated after each epoch.
        l2 : float
            Adds ``l2 / 2`` times the sum of the squares of the weights (not the biases) to the loss
            that is minimised and recorded, ``val_loss`` apart; at least 0.
        clip_value, clip_norm : float, optional
            Above 0. The largest absolute element, and then the largest Euclidean norm of the whole,
            that a step's gradient (with `l2`, without an optimizer's weight decay) may have; beyond
            it, elements are cut off, or all scaled by ``clip_norm / (norm + 1e-6)``, as in PyTorch.
        callbacks : callable, object or sequence of these
            An object with any of ``on_train_begin``, ``on_epoch_begin``, ``on_epoch_end``,
            ``on_train_end``, or a callable for the end of an epoch; each gets a `TrainingState`,
            and returning True stops.
        progress : bool or "auto"
            A bar; "auto" when a person is watching.

        Returns
        -------
        History

        Raises
        ------
        TypeError, ValueError
            For wrong arguments, before anything is changed.
        RuntimeError
            If the network is being trained already.
        FloatingPointError
            If the loss becomes NaN or infinite. The network holds the weights of the last epoch
            before; the optimizer's state is dropped.
        KeyboardInterrupt
            On Ctrl-C, with the weights of the last completed step.
        """
        epochs = checks.whole("epochs", epochs, 0)
        batch_size = checks.whole("batch_size", batch_size, 1)
        if optimizer is not None and not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"optimizer: expected SGD, Adam, AdamW, RMSprop or None, found {optimizer!r}"
            )
        if not (progress is True or progress is False or progress == "auto"):
            raise ValueError(f"progress: expected True, False or 'auto', found {progress!r}")
        limits = check_limits(clip_value, clip_norm, l2)
        loss = self._loss(loss)
        job = self._job(x, y, sample_weight, loss)
        if job.x.shape[0] == 0:
            raise ValueError("x: expected at least one row to train on, found none")
        validation = None
        if validation_data is not None:
            if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
                raise TypeError("validation_data: expected a pair (x, y)")
            validation = self._job(*validation_data, None, loss, what="validation y")
            if validation.x.shape[0] == 0:
                raise ValueError("validation_data: expected at least one row, found none")
        hooks = training.check_callbacks(callbacks)
        key = self._key if rng is None else checks.key(rng)
        first = self._epochs if rng is None else 0
        self._core.begin_fit()
        try:
            history = training.run(
                self._network,
                self._core,
                job,
                validation,
                epochs=epochs,
                batch_size=batch_size,
                optimizer=optimizer,
                loss=loss,
                shuffle=bool(shuffle),
                key=key,
                first_epoch=first,
                limits=limits,
                callbacks=hooks,
                progress=progress,
                classifier=checks.output_kind(self._output) == "classifier",
            )
        finally:
            self._core.end_fit()
        if rng is None:
            self._epochs += len(history.epoch)
        return history

    @overload
    def gradients(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        loss: str | None = None,
        sample_weight: ArrayLike | None = None,
        flat: Literal[False] = False,
    ) -> tuple[float, Gradients]: ...
    @overload
    def gradients(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        loss: str | None = None,
        sample_weight: ArrayLike | None = None,
        flat: Literal[True],
    ) -> tuple[float, NDArray[Any]]: ...
    def gradients(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        loss: str | None = None,
        sample_weight: ArrayLike | None = None,
        flat: bool = False,
    ) -> tuple[float, Any]:
        """Return the loss of all rows as one batch, and its gradients.

        Arguments are those of `fit`.

        Returns
        -------
        loss : float
        gradients : Gradients, or array if `flat`
            ``weights[i]`` (outputs, inputs), ``biases[i]`` (outputs,) and ``input`` (rows,
            inputs); flat, one array in the order of `parameters`, padding 0.
        """
        loss = self._loss(loss)
        job = self._job(x, y, sample_weight, loss)
        packed = np.empty(self._core.packed_size, self._dtype)
        dx = None if flat else np.empty(job.x.shape, self._dtype)
        trainer = _core.CoreTrainer(self._core, loss, max(1, job.x.shape[0]))
        value = trainer.gradients(*job, packed, dx)
        if dx is None:
            return value, packed
        return value, self._unpacked(packed, dx[0] if np.ndim(x) == 1 else dx)

    def _unpacked(self, packed: NDArray[Any], dx: NDArray[Any]) -> Gradients:
        layers = range(len(self._sizes) - 1)
        return Gradients(
            tuple(self._core.weights(i, packed) for i in layers),
            tuple(self._core.bias(i, packed) for i in layers),
            dx,
        )

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
            For arrays of another shape.
        """
        rows = checks.inputs(x, self._sizes[0], self._dtype)
        upstream = np.ascontiguousarray(dy, self._dtype)
        single = np.ndim(x) == 1
        shape = self._sizes[-1:] if single else (rows.shape[0], self._sizes[-1])
        if upstream.shape != shape:
            raise ValueError(f"dy: expected shape {shape}, found {upstream.shape}")
        packed = np.empty(self._core.packed_size, self._dtype)
        dx = np.empty(rows.shape, self._dtype)
        trainer = _core.CoreTrainer(self._core, "mse", max(1, rows.shape[0]))
        trainer.backward(rows, upstream, packed, dx)
        return self._unpacked(packed, dx[0] if single else dx)

    def evaluate(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        loss: str | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> tuple[float, float]:
        """Return the loss over all rows, whatever the batch size in training, and `score`.

        Weights weigh the loss; the score counts rows.
        """
        loss = self._loss(loss)
        job = self._job(x, y, sample_weight, loss)
        trainer = _core.CoreTrainer(self._core, loss, max(1, min(1024, job.x.shape[0])))
        return trainer.evaluate(*job)[0], self.score(x, y)

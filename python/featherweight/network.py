"""`Network`: arguments checked in sentences, shapes, defaults. No loops over numbers."""

import math
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import _core, checks, training
from .optimizers import Optimizer
from .threads import check_threads

if TYPE_CHECKING:
    from os import PathLike

    from .training import Gradients, History

_RELU_FAMILY = ("relu", "leaky_relu", "elu", "gelu", "silu", "softplus")
_DEFAULT_LOSS = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}
_ENDS = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}


class Parameters(Sequence[NDArray[Any]]):
    """A network's weights or biases, by layer: reading gives a fresh read-only array, assigning stores."""

    def __init__(self, network: "Network", kind: Literal["weights", "biases"]) -> None:
        self._network = network
        self._kind = kind

    def __len__(self) -> int:
        return len(self._network.sizes) - 1

    def _layer(self, index: object) -> int:
        n = len(self)
        i = checks.whole(f"{self._kind} index", index, -(1 << 62))
        if not -n <= i < n:
            raise IndexError(f"{self._kind}: expected a layer from {-n} to {n - 1}, found {i}")
        return i % n

    def __getitem__(self, index: Any) -> Any:
        core, layer = self._network._core, self._layer(index)
        read = core.weights if self._kind == "weights" else core.bias
        a = read(layer, None)
        a.flags.writeable = False
        return a

    def __setitem__(self, index: int, value: ArrayLike) -> None:
        layer, network = self._layer(index), self._network
        i, o = network.sizes[layer : layer + 2]
        shape = (o, i) if self._kind == "weights" else (o,)
        a = checks.real_array(f"{self._kind}[{layer}]", value)
        if a.shape != shape:
            raise ValueError(f"{self._kind}[{layer}]: expected shape {shape}, found {a.shape}")
        a = np.ascontiguousarray(a, network.dtype)
        store = network._core.set_weights if self._kind == "weights" else network._core.set_bias
        store(layer, a)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"<{self._kind} of {len(self)} layers: {', '.join(str(a.shape) for a in self)}>"


class Network:
    """A dense neural network: layers ``a' = act(W a + b)``, each computed in one fused pass.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, hidden neurons of each layer, outputs: at least two positive numbers.
    activation : str or sequence of str
        Of all hidden layers, or one for each: ``identity``, ``sigmoid``, ``relu``, ``tanh``,
        ``leaky_relu`` (slope 0.01), ``elu`` (alpha 1), ``gelu`` (exact, by erf), ``silu``,
        ``softplus``.
    output : str
        ``softmax`` or any activation.
    dtype : dtype
        float32 or float64, of parameters and results.
    input_scale : float
        Multiplies the inputs as they are loaded, finite and not 0: with ``1/255`` a uint8 image goes
        in as it is.
    rng : None, int, sequence of int, SeedSequence, BitGenerator or Generator
        Seeds our own counter-based generator (Philox4x32-10; Salmon et al. 2011), on which initial
        weights and shuffles depend, and on nothing else.
    threads : int, optional
        1 to 1024; `get_num_threads()` by default. No result depends on it.
    isa : str, optional
        One of `isas()`; by default the environment's ``FEATHERWEIGHT_ISA`` or the fastest. No
        result depends on it.

    Raises
    ------
    TypeError, ValueError
        For any other argument, in a sentence.

    Notes
    -----
    Initial weights are uniform in (-l, l): l = sqrt(6 / (inputs + outputs)) for layers with
    sigmoid, tanh, identity or softmax (Glorot and Bengio 2010), l = sqrt(6 / inputs) for relu and
    its kin (He et al. 2015). Biases begin as 0.

    Forward calls may run at once from many threads; `fit` takes the network for itself.
    """

    _core: _core.CoreNetwork

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str | Sequence[str] = "relu",
        output: str = "softmax",
        *,
        dtype: DTypeLike = np.float32,
        input_scale: float = 1.0,
        rng: Any = None,
        threads: int | None = None,
        isa: str | None = None,
    ) -> None:
        self.dtype: np.dtype[Any] = checks.dtype(dtype)
        self.sizes = checks.layer_sizes(sizes, self.dtype.itemsize)
        names = _core.activations()
        hidden = len(self.sizes) - 2
        if isinstance(activation, str):
            self.activation = (checks.choice("activation", activation, names),) * hidden
        else:
            if not isinstance(activation, Sequence):
                raise TypeError(f"activation: expected a name or a sequence, found {activation!r}")
            if len(activation) != hidden:
                raise ValueError(
                    f"activation: expected {hidden} names, one for each hidden layer, "
                    f"found {len(activation)}"
                )
            self.activation = tuple(
                checks.choice(f"activation[{i}]", a, names) for i, a in enumerate(activation)
            )
        self.output = checks.choice("output", output, ("softmax", *names))
        if self.output == "softmax" and self.sizes[-1] < 2:
            raise ValueError("output: expected at least 2 outputs for softmax, found 1")
        self.input_scale = _input_scale(input_scale, self.dtype)
        self._key = checks.key(rng)
        self._epochs = 0
        if isa is not None and not isinstance(isa, str):
            raise TypeError(f"isa: expected a name or None, found {isa!r}")
        self._core = _core.CoreNetwork(
            self.sizes,
            (*self.activation, "identity" if self.output == "softmax" else self.output),
            self.output == "softmax",
            self.dtype == np.float64,
            self.input_scale,
            _core.check_isa(isa if isa is not None else os.environ.get("FEATHERWEIGHT_ISA", "")),
            check_threads(threads),
        )
        limits = [
            math.sqrt(6.0 / i) if act in _RELU_FAMILY else math.sqrt(6.0 / (i + o))
            for i, o, act in zip(
                self.sizes, self.sizes[1:], (*self.activation, self.output), strict=False
            )
        ]
        self._core.initialize(self._key, limits)

    # What it is

    @property
    def isa(self) -> str:
        """The instruction set chosen when the network was built."""
        return self._core.isa

    @property
    def threads(self) -> int:
        """How many threads it may use; no result depends on it."""
        return self._core.threads

    @threads.setter
    def threads(self, n: int | None) -> None:
        self._core.threads = check_threads(n)

    @property
    def parameter_count(self) -> int:
        """Weights and biases, padding not counted."""
        return sum(o * (i + 1) for i, o in zip(self.sizes, self.sizes[1:], strict=False))

    @property
    def weights(self) -> Parameters:
        """By layer, each (outputs, inputs): row j is what neuron j looks for. Assigning stores."""
        return Parameters(self, "weights")

    @property
    def biases(self) -> Parameters:
        """By layer, each (outputs,). Assigning stores."""
        return Parameters(self, "biases")

    @property
    def parameters(self) -> NDArray[Any]:
        """All parameters as one flat writable view without a copy, in their packed order.

        For each layer its weights, ``[ceil(outputs / 16)][inputs][16]``, then its biases,
        ``[ceil(outputs / 16) * 16]``; the padding is 0 and stays so.
        """
        return self._core.parameters()

    def __repr__(self) -> str:
        acts = self.activation
        activation = repr(acts[0]) if len(set(acts)) == 1 else repr(list(acts))
        scale = "" if self.input_scale == 1.0 else f", input_scale={self.input_scale!r}"
        return (
            f"Network({list(self.sizes)}, {f'activation={activation}, ' if acts else ''}"
            f"output={self.output!r}, dtype={self.dtype.name}{scale}) "
            f"# {self.parameter_count:,} parameters, {self.isa}"
        )

    # What it computes

    def __call__(
        self, x: ArrayLike, *, out: NDArray[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        """Return the outputs.

        Parameters
        ----------
        x : (inputs,) or (rows, inputs) array
            Of the network's dtype or uint8, aligned, with unit stride in the rows, it is read in
            place; anything else of real numbers is converted once.
        out : array, optional
            (outputs,) or (rows, outputs) of the network's dtype, unit stride in the rows; gets the
            result and is returned.
        copy : bool, optional
            False makes a conversion of `x` a ValueError.

        Returns
        -------
        (outputs,) or (rows, outputs) array of the network's dtype

        Raises
        ------
        TypeError, ValueError
            For a wrong shape or dtype.
        RuntimeError
            While another thread trains the network.
        """
        rows = checks.inputs(x, self.sizes[0], self.dtype, copy=copy)
        single = np.ndim(x) == 1
        shape = (self.sizes[-1],) if single else (rows.shape[0], self.sizes[-1])
        if out is None:
            out = np.empty(shape, self.dtype)
        else:
            self._check_out(out, shape)
            if np.may_share_memory(rows, out):
                rows = rows.copy()
        self._core.forward(rows, out[np.newaxis] if single else out)
        return out

    def _check_out(self, out: object, shape: tuple[int, ...]) -> None:
        if not isinstance(out, np.ndarray):
            raise TypeError(f"out: expected an array, found {type(out).__name__}")
        item = self.dtype.itemsize
        if out.shape != shape or out.dtype != self.dtype:
            raise ValueError(
                f"out: expected shape {shape} of {self.dtype}, found {out.shape} of {out.dtype}"
            )
        if not out.flags.writeable or not out.flags.aligned:
            raise ValueError("out: expected a writable, aligned array, found one that is not")
        if out.size == 0:
            return
        if (shape[-1] > 1 and out.strides[-1] != item) or (
            len(shape) > 1 and shape[0] > 1 and out.strides[0] % item
        ):
            raise ValueError(
                f"out: expected unit stride in its rows, found strides {out.strides} bytes"
            )

    def activations(self, x: ArrayLike) -> list[NDArray[Any]]:
        """Return the input as it is used, then every layer's activations, the output last.

        Each is (rows, size), or (size,) for a single row `x`, of the network's dtype.
        """
        found = self._core.activations(checks.inputs(x, self.sizes[0], self.dtype))
        return [a[0] for a in found] if np.ndim(x) == 1 else found

    def predict(self, x: ArrayLike) -> Any:
        """Return class indices for a classifier, values for a regressor.

        A network with a softmax or sigmoid output is a classifier: (rows,) int64, the largest
        output or, of a single sigmoid, whether it is above 0.5. Otherwise (rows, outputs), or
        (rows,) for one output. A single row `x` gives the same without its first axis.
        """
        y = self(x)
        if checks.output_kind(self.output) == "regressor":
            return y[..., 0] if self.sizes[-1] == 1 and y.ndim == 2 else y
        if self.sizes[-1] == 1:
            return (y[..., 0] > 0.5).astype(np.int64)
        return y.argmax(axis=-1)

    def score(self, x: ArrayLike, y: ArrayLike) -> float:
        """Return the accuracy of a classifier, or a regressor's R² averaged over its outputs.

        `y` holds class labels (rows,) or rows of targets (rows, outputs), of which a classifier
        compares the largest. NaN without rows.
        """
        job = self._job(x, y, None, _DEFAULT_LOSS.get(self.output, "mse"), check="mse")
        rows = job.x.shape[0]
        if rows == 0:
            return math.nan
        found = self(job.x)
        if checks.output_kind(self.output) == "classifier":
            n = self.sizes[-1]
            if n == 1:
                assert job.values is not None
                return float(((found > 0.5) == (job.values > 0.5)).mean())
            truth = job.labels if job.values is None else job.values.argmax(axis=1)
            return float((found.argmax(axis=1) == truth).mean())
        if job.values is None:
            values = np.eye(self.sizes[-1])[job.labels]
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
            return _DEFAULT_LOSS.get(self.output, "mse")
        checks.choice("loss", loss, _core.losses())
        if _ENDS.get(loss, self.output) != self.output:
            raise ValueError(
                f"loss: expected output={_ENDS[loss]!r} with {loss!r}, found output={self.output!r}"
            )
        return loss

    def _job(
        self,
        x: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        loss: str,
        *,
        names: tuple[str, str] = ("x", "y"),
        check: str | None = None,
    ) -> training.Job:
        rows = checks.inputs(x, self.sizes[0], self.dtype)
        n = rows.shape[0]
        if np.ndim(x) == 1 and np.ndim(y) == 1 and self.sizes[-1] > 1:
            y = np.asarray(y)[np.newaxis]
        labels, values = checks.targets(y, n, self.sizes[-1], self.dtype, check or loss, names[1])
        return training.Job(
            rows, labels, values, checks.sample_weights(sample_weight, n, self.dtype)
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
        optimizer : SGD or Adam, optional
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
            At least 0: a batch's loss is the weighted mean of its rows'.
        validation_data : (x, y), optional
            Evaluated after each epoch.
        callbacks : callable, object or sequence of these
            An object with any of ``on_train_begin``, ``on_epoch_begin``, ``on_epoch_end``,
            ``on_train_end``, or a callable for the end of an epoch; each gets a `TrainingState`, and
            returning True stops.
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
        KeyboardInterrupt
            On Ctrl-C, with the weights of the last completed step.
        """
        epochs = checks.whole("epochs", epochs, 0)
        batch_size = checks.whole("batch_size", batch_size, 1)
        if optimizer is not None and not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer: expected SGD, Adam or None, found {optimizer!r}")
        if not (progress is True or progress is False or progress == "auto"):
            raise ValueError(f"progress: expected True, False or 'auto', found {progress!r}")
        loss = self._loss(loss)
        job = self._job(x, y, sample_weight, loss)
        if job.x.shape[0] == 0:
            raise ValueError("x: expected at least one row to train on, found none")
        validation = None
        if validation_data is not None:
            if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
                raise TypeError("validation_data: expected a pair (x, y)")
            validation = self._job(*validation_data, None, loss, names=("x", "validation y"))
        hooks = training.check_callbacks(callbacks)
        key = self._key if rng is None else checks.key(rng)
        first = self._epochs if rng is None else 0
        self._core.begin_fit()
        try:
            history = training.run(
                self,
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
                callbacks=hooks,
                progress=progress,
                classifier=checks.output_kind(self.output) == "classifier",
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
    ) -> tuple[float, "Gradients"]: ...
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
        packed = np.empty(self._core.packed_size, self.dtype)
        dx = None if flat else np.empty(job.x.shape, self.dtype)
        trainer = _core.CoreTrainer(self._core, loss, max(1, job.x.shape[0]))
        value = trainer.gradients(*job, packed, dx)
        if dx is None:
            return value, packed
        layers = range(len(self.sizes) - 1)
        return value, training.Gradients(
            tuple(self._core.weights(i, packed) for i in layers),
            tuple(self._core.bias(i, packed) for i in layers),
            dx[0] if np.ndim(x) == 1 else dx,
        )

    def evaluate(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        loss: str | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> tuple[float, float]:
        """Return the loss over all rows, whatever the batch size in training, and `score`."""
        loss = self._loss(loss)
        job = self._job(x, y, sample_weight, loss)
        trainer = _core.CoreTrainer(self._core, loss, max(1, min(1024, job.x.shape[0])))
        return trainer.evaluate(*job)[0], self.score(x, y)

    # Keeping it

    def save(self, path: "str | PathLike[str]") -> None:
        """Write the network to a safetensors file, whole or not at all.

        It is written beside `path` and then renamed, so that an interrupted save leaves an older
        file as it was. Raises OSError where it can't be written.
        """
        from .files import save

        save(self, path)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "sizes": self.sizes,
            "activation": self.activation,
            "output": self.output,
            "dtype": self.dtype.name,
            "input_scale": self.input_scale,
            "threads": self.threads,
            "key": self._key,
            "epochs": self._epochs,
            "weights": list(self.weights),
            "biases": list(self.biases),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        Network.__init__(
            self,
            state["sizes"],
            state["activation"],
            state["output"],
            dtype=state["dtype"],
            input_scale=state["input_scale"],
            rng=0,
            threads=state["threads"],
        )
        self._key, self._epochs = state["key"], state["epochs"]
        for i, (w, b) in enumerate(zip(state["weights"], state["biases"], strict=True)):
            self.weights[i], self.biases[i] = w, b


def _input_scale(value: object, dtype: np.dtype[Any]) -> float:
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"input_scale: expected a number, found {value!r}")
    scale = float(value)
    if not math.isfinite(scale) or dtype.type(scale) == 0 or not np.isfinite(dtype.type(scale)):
        raise ValueError(f"input_scale: expected a finite number other than 0, found {value!r}")
    return scale

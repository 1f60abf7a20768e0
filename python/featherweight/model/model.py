"""`Model`: a network without training. Arguments checked in sentences, shapes, defaults."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import _core
from ..support import checks, threadpoolctl
from ..support.hints import Strict, named
from ..support.imports import ensure_imported
from ..support.threads import check_threads
from .outputs import decided, output_kind, refuse_nan
from .parameters import Parameters

if TYPE_CHECKING:
    from inspect import Signature

    from .gradients import Gradients


RELU_FAMILY = ("relu", "leaky_relu", "elu", "gelu", "silu", "softplus")


@dataclass
class Generator:
    """Where a network's random numbers are: the key, and the epochs that have been drawn by it."""

    key: int
    epochs: int = 0


class _CallSignature:
    """What inspect.signature(net) shall say of a call, which isn't a function of Python's."""

    def __get__(self, network: Model | None, owner: type) -> Signature | None:
        from inspect import signature

        return None if network is None else signature(network.__call__)


class Model(Strict, _core.ForwardCall):
    """What a network is and computes, without training; `Network` is a user's.

    Its arguments are those of `Network`.
    """

    _history: Any = None  # of the last training

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
        kind = checks.dtype(dtype)
        layers = checks.layer_sizes(sizes, kind.itemsize)
        names = _core.activations()
        hidden = len(layers) - 2
        if isinstance(activation, str):
            acts = (checks.choice("activation", activation, names),) * hidden
        else:
            if not isinstance(activation, Sequence):
                raise TypeError(
                    f"activation: expected a name or a sequence, found {checks.brief(activation)}"
                )
            if len(activation) != hidden:
                raise ValueError(
                    f"activation: expected {checks.counted(hidden, 'name')}, one for each hidden "
                    f"layer, found {len(activation)}"
                )
            acts = tuple(
                checks.choice(f"activation[{i}]", a, names) for i, a in enumerate(activation)
            )
        output = checks.choice("output", output, ("softmax", *names))
        if output == "softmax" and layers[-1] < 2:
            raise ValueError("output: expected at least 2 outputs for softmax, found 1")
        scale = _input_scale(input_scale, kind)
        key = checks.key(rng)
        if isa is not None and not isinstance(isa, str):
            raise TypeError(f"isa: expected a name or None, found {checks.brief(isa)}")
        threadpoolctl.register()
        core = _core.CoreNetwork(
            layers,
            (*acts, "identity" if output == "softmax" else output),
            output == "softmax",
            kind == np.float64,
            scale,
            _core.check_isa(isa if isa is not None else os.environ.get("FEATHERWEIGHT_ISA", "")),
            check_threads(threads),
        )
        with _core.OurEnvironment():
            limits = [
                math.sqrt(6.0 / i) if act in RELU_FAMILY else math.sqrt(6.0 / (i + o))
                for i, o, act in zip(layers, layers[1:], (*acts, output), strict=False)
            ]
        core.initialize(key, limits)
        # all is well: a network whose __init__ is called again and refused stays as it was
        self._dtype, self._sizes, self._input_scale = kind, layers, scale
        self._activation, self._output = acts, output
        self._generator, self._core = Generator(key), core

    # What it is

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, hidden neurons of each layer, outputs."""
        return self._sizes

    @property
    def activation(self) -> tuple[str, ...]:
        """The hidden layers' activations."""
        return self._activation

    @property
    def output(self) -> str:
        """``softmax`` or the last layer's activation."""
        return self._output

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._dtype

    @property
    def input_scale(self) -> float:
        """What the inputs are multiplied by as they are loaded."""
        return self._input_scale

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
        ``[ceil(outputs / 16) * 16]``. The padding, where a panel of 16 has more room than outputs,
        is 0; what is written there has no effect on anything, and is set to 0 by training.
        Calls in other threads may see some of what is written and not the rest: `set_parameters`
        sets all at once.
        """
        return self._core.parameters()

    @named
    def set_parameters(self, values: ArrayLike) -> None:
        """Set all weights and biases at once: a call in another thread sees all or none of them.

        Parameters
        ----------
        values : (n,) array of real numbers
            In the order of `parameters`, such as a copy of another network's. What stands in the
            padding is left out.

        Raises
        ------
        TypeError, ValueError
            For another shape, or anything but real numbers.
        RuntimeError
            If the network is being trained by another thread.
        """
        a = checks.real_array("values", values)
        if a.shape != (self._core.packed_size,):
            raise ValueError(f"values: expected shape ({self._core.packed_size},), found {a.shape}")
        self._core.set_parameters(checks.converted("values", a, self.dtype))

    def __repr__(self) -> str:
        acts = self.activation
        activation = repr(acts[0]) if len(set(acts)) == 1 else repr(list(acts))
        scale = "" if self.input_scale == 1.0 else f", input_scale={self.input_scale!r}"
        return (
            f"Network({list(self.sizes)}, {f'activation={activation}, ' if acts else ''}"
            f"output={self.output!r}, dtype={self.dtype.type.__name__}{scale}) "
            f"# {self.parameter_count:,} parameters, {self.isa}"
        )

    @named
    def summary(self) -> str:
        """Return a table of the layers, their activations and their parameters."""
        rows = [("layer", "size", "activation", "parameters"), ("0", f"{self.sizes[0]:,}", "", "")]
        acts = (*self.activation, self.output)
        for i, (n, m) in enumerate(pairwise(self.sizes)):
            rows.append((str(i + 1), f"{m:,}", acts[i], f"{m * (n + 1):,}"))
        rows.append(("", "", "", f"{self.parameter_count:,}"))
        wide = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = [
            f"{a:>{wide[0]}}  {b:>{wide[1]}}  {c:<{wide[2]}}  {d:>{wide[3]}}" for a, b, c, d in rows
        ]
        return "\n".join(line.rstrip() for line in lines)

    # What it computes

    # __call__ is that of _core.ForwardCall, compiled and documented there.
    __signature__ = _CallSignature()

    def _forward(
        self, x: ArrayLike, *, out: NDArray[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        """Do what `__call__` leaves: arrays to be converted, and the sentences."""
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

    # for Python's sentences, of too many arguments say
    _forward.__qualname__ = "Network.__call__"
    _forward = named(_forward)

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

    @named
    def activations(self, x: ArrayLike) -> list[NDArray[Any]]:
        """Return the input as it is used, then every layer's activations, the output last.

        Each is (rows, size), or (size,) for a single row `x`, of the network's dtype.
        """
        rows = checks.inputs(x, self.sizes[0], self.dtype)
        found = self._core.activations(rows)
        return [a[0] for a in found] if np.ndim(x) == 1 else found

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
        found = decided(y, self.output) if limit is None else (y > limit).astype(np.int64)
        if limit is None and output_kind(self.output) == "regressor":
            return found
        # the quickest ways to see a NaN: argmax stops at it, and sums carry it on
        one = y.ndim == 1 and y.size > 1 and limit is None
        if math.isnan(y.item(found) if one else np.vdot(y, y)):
            refuse_nan(self, x, y)
        return found

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
        ensure_imported(".losses", ".model.gradients", ".model.samples")
        from .. import losses
        from .samples import Samples

        kind = losses.resolve(loss, self.output)
        smoothing = losses.check_smoothing(label_smoothing, kind)
        samples = Samples.checked(self, x, y, sample_weight, loss=kind.name)
        packed = np.empty(self._core.packed_size, self.dtype)
        dx = None if flat else np.empty(samples.x.shape, self.dtype)
        trainer = _core.CoreTrainer(
            self._core, kind.name, max(1, samples.n), kind.parameter, smoothing,
            checks.output_weights(output_weights, self.sizes[-1], kind.name, self.dtype),
        )  # fmt: skip
        rates = checks.dropout(dropout, input_dropout, len(self.sizes) - 2)
        if any(rates):
            trainer.drop(rates, self._generator.key if rng is None else checks.key(rng))
        value, _ = trainer.gradients(_core.CoreSamples(*samples), packed, dx)
        if not math.isfinite(value):
            ensure_imported(".support.not_finite")
            from ..support.not_finite import refuse

            refuse("x", x, samples.x, self.dtype)
        if dx is None:
            return value, packed
        return value, self._by_layer(packed, dx[0] if np.ndim(x) == 1 else dx)

    def _by_layer(self, packed: NDArray[Any], dx: NDArray[Any]) -> Gradients:
        ensure_imported(".model.gradients")
        from .gradients import unpacked

        return unpacked(self._core, len(self.sizes) - 1, packed, dx)

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
        rows = checks.inputs(x, self.sizes[0], self.dtype)
        upstream = checks.converted("dy", checks.real_array("dy", dy), self.dtype)
        single = np.ndim(x) == 1
        shape = self.sizes[-1:] if single else (rows.shape[0], self.sizes[-1])
        if upstream.shape != shape:
            raise ValueError(f"dy: expected shape {shape}, found {upstream.shape}")
        packed = np.empty(self._core.packed_size, self.dtype)
        dx = np.empty(rows.shape, self.dtype)
        trainer = _core.CoreTrainer(self._core, "mse", max(1, rows.shape[0]))
        trainer.backward(rows, upstream, packed, dx)
        return self._by_layer(packed, dx[0] if single else dx)

    def _plain(self) -> Model:
        """Return what is to be called for rows that nobody asked about: a network may remember."""
        return self

    # Keeping it

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        # the oldest protocols would make the compiled base class anew, from a copy of itself
        return super().__reduce_ex__(max(2, protocol.__index__()))

    def __getstate__(self) -> dict[str, Any]:
        return {
            "sizes": self.sizes,
            "activation": self.activation,
            "output": self.output,
            "dtype": self.dtype.name,
            "input_scale": self.input_scale,
            "threads": self.threads,
            "key": self._generator.key,
            "epochs": self._generator.epochs,
            "weights": list(self.weights),
            "biases": list(self.biases),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        Model.__init__(
            self,
            state["sizes"],
            state["activation"],
            state["output"],
            dtype=state["dtype"],
            input_scale=state["input_scale"],
            rng=0,
            threads=state["threads"],
        )
        self._generator = Generator(state["key"], state["epochs"])
        for i, (w, b) in enumerate(zip(state["weights"], state["biases"], strict=True)):
            self.weights[i], self.biases[i] = w, b


def _input_scale(value: object, dtype: np.dtype[Any]) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"input_scale: expected a real number, found {checks.brief(value)}")
    scale = float(value)
    with np.errstate(over="ignore", under="ignore"):
        held = dtype.type(scale)
    if held == 0 or not np.isfinite(held):
        raise ValueError(
            f"input_scale: expected a finite number other than 0, found {checks.brief(value)}"
        )
    return scale

"""`Network`: arguments checked in sentences, shapes, defaults. No loops over numbers."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import _core
from .fitting import Fitting
from .model.parameters import Parameters
from .support import checks
from .support import threadpoolctl as _threadpoolctl
from .support.hints import named
from .support.imports import ensure_imported
from .support.threads import check_threads

if TYPE_CHECKING:
    from inspect import Signature
    from os import PathLike

    from .diagrams.svg import Diagram
    from .training.history import History


_RELU_FAMILY = ("relu", "leaky_relu", "elu", "gelu", "silu", "softplus")


def isas() -> tuple[str, ...]:
    """Return the instruction sets that run on this machine.

    Returns
    -------
    tuple of str
        Those that the processor has and this build knows, ``scalar`` first, the fastest last.
    """
    return _core.isas()


class _CallSignature:
    """What inspect.signature(net) shall say of a call, which isn't a function of Python's."""

    def __get__(self, network: Network | None, owner: type) -> Signature | None:
        from inspect import signature

        return None if network is None else signature(network.__call__)


class Network(Fitting):
    """A dense neural network: layers ``a' = act(W a + b)``, each computed in one fused pass.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, hidden neurons of each layer, outputs: at least two positive numbers.
    activation : str or sequence of str
        Of all hidden layers, or one for each: ``identity``, ``sigmoid``, ``relu``, ``tanh``,
        ``leaky_relu`` (slope 0.01), ``elu`` (alpha 1), ``gelu`` (exact, by erf), ``silu``,
        ``softplus``, ``exp``.
    output : str
        ``softmax`` or any activation.
    dtype : dtype
        float32 or float64, of parameters and results.
    input_scale : float
        Multiplies the inputs as they are loaded, finite and not 0: with ``1/255`` a uint8 image
        goes in as it is.
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

    _remembers = False

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
                raise TypeError(f"activation: expected a name or a sequence, found {activation!r}")
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
            raise TypeError(f"isa: expected a name or None, found {isa!r}")
        _threadpoolctl.register()
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
                math.sqrt(6.0 / i) if act in _RELU_FAMILY else math.sqrt(6.0 / (i + o))
                for i, o, act in zip(layers, layers[1:], (*acts, output), strict=False)
            ]
        core.initialize(key, limits)
        # all is well: a network whose __init__ is called again and refused stays as it was
        self._dtype, self._sizes, self._input_scale = kind, layers, scale
        self._activation, self._output = acts, output
        self._key, self._epochs, self._core = key, 0, core

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

    @property
    def history(self) -> History | None:
        """What the last training measured, also if Ctrl-C or an error ended it; isn't saved."""
        return self._history

    def __repr__(self) -> str:
        acts = self.activation
        activation = repr(acts[0]) if len(set(acts)) == 1 else repr(list(acts))
        scale = "" if self.input_scale == 1.0 else f", input_scale={self.input_scale!r}"
        return (
            f"Network({list(self.sizes)}, {f'activation={activation}, ' if acts else ''}"
            f"output={self.output!r}, dtype={self.dtype.name}{scale}) "
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

    @named
    def diagram(self, x: ArrayLike | None = None, *, most: int = 16) -> Diagram:
        """Return the network as an image that a notebook shows, lit by an input if one is given.

        Parameters
        ----------
        x : (inputs,) array, optional
            Finite, of any real dtype. Neurons are the brighter, the larger their activation beside
            the end of the scale that stands below their layer; negative ones bear a minus.
        most : int
            How many neurons of a layer are drawn, at least 2. A square input of more pixels, of 8
            by 8 or more, is drawn as an image.

        Returns
        -------
        Diagram
            Its `svg` is the image.

        Raises
        ------
        TypeError, ValueError
            For another `most`, an input of another shape, or weights or activations that are not
            finite.
        """
        ensure_imported(".diagrams.svg")
        from .diagrams.svg import Diagram

        return Diagram(self, x, most)

    def _repr_svg_(self) -> str | None:
        return self._svg(None)

    def _svg(self, x: ArrayLike | None) -> str | None:
        """Return the diagram if there can be one; a notebook shows the repr where there is none."""
        try:
            return self.diagram(x).svg
        except (ValueError, RuntimeError):  # not finite, or taken by training in another thread
            return None

    @property
    def remembers_input(self) -> bool:
        """Whether a notebook shows the network lit by the last row that it was called with.

        False at first. When True, each call, `predict` and `activations` keep a copy of that row,
        which costs some microseconds, and the network is no longer of the class Network itself but
        of one derived. `score`, `evaluate` and pictures leave what is remembered.
        """
        return self._remembers

    @remembers_input.setter
    def remembers_input(self, on: bool) -> None:
        ensure_imported(".remembering")
        from .remembering import Remembering

        if not isinstance(on, bool):
            raise TypeError(f"remembers_input: expected True or False, found {on!r}")
        if type(self) not in (Network, Remembering):
            raise TypeError(
                "remembers_input: expected a Network, and none of a class derived from it, "
                f"found {type(self).__name__}"
            )
        self.__class__ = Remembering if on else Network
        if not on:
            self.__dict__.pop("_last", None)

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

    # Keeping it

    @named
    def save(self, path: str | PathLike[str]) -> None:
        """Write the network to a safetensors file, whole or not at all.

        It is written beside `path` and then renamed, so that an interrupted save leaves an older
        file as it was; what a killed process left there is removed. Raises OSError where it
        can't be written.
        """
        ensure_imported(".exchange.safetensors")
        from .exchange.safetensors import save

        save(self, path)

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
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"input_scale: expected a real number, found {value!r}")
    scale = float(value)
    if not math.isfinite(scale) or dtype.type(scale) == 0 or not np.isfinite(dtype.type(scale)):
        raise ValueError(f"input_scale: expected a finite number other than 0, found {value!r}")
    return scale

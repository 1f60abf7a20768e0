"""The optimizers: small objects that hold their settings and, between calls, their state."""

import copy
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..model.gradients import Gradients, unpacked
from ..model.model import Model
from ..schedules import Schedule
from ..support import checks
from ..support.hints import Strict, named
from ..support.imports import ensure_imported
from .ranges import SETTINGS, check_limits, rates

_STATE = ("_owner", "_slots", "_memo", "_steps", "_epochs", "_start", "_end")

Kernel = tuple[str, dict[str, float]]  # a compiled optimizer's name and hyper-parameters
ScheduleLike = Schedule | Callable[[int], float] | None


class Optimizer(Strict):
    """What the optimizers share: their state beside the parameters of one network.

    The state (moments, steps and epochs made, what a schedule has observed) belongs to the network
    that the optimizer last trained; given to another it starts afresh. Settings may be changed at
    any time, and are checked then.
    """

    __module__ = "featherweight.optimizers"

    lr: float
    schedule: Schedule | None
    _owner: "weakref.ref[Model] | None" = None
    _slots: NDArray[Any]
    _memo: NDArray[np.float64]
    _steps: int = 0
    _epochs: int = 0
    full_batch = False  # whether it needs all rows at once, and a loop of its own

    def _set(self, **settings: Any) -> None:
        """Set several settings, each checked."""
        for name, value in settings.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        checked = SETTINGS.get(name)
        super().__setattr__(name, value if checked is None else checked(value))

    def _kernel(self) -> Kernel:
        """Return the compiled optimizer's name and its hyper-parameters."""
        raise NotImplementedError

    def _bind(
        self, network: Model, name: str | None = None
    ) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Return the running scalars and the (slots, packed) state kept for `network`."""
        shape = (_core.optimizer_slots(name or self._kernel()[0]), network.parameters.size)
        owner = None if self._owner is None else self._owner()
        if owner is not network or self._slots.shape != shape:
            self._begin(network, np.ones(2), np.zeros(shape, network.dtype))
        return self._memo, self._slots

    def _begin(
        self, network: Model, memo: NDArray[np.float64], slots: NDArray[Any], steps: int = 0
    ) -> None:
        """Take another state, of this network; the schedule has observed nothing of it."""
        self._memo, self._slots, self._owner = memo, slots, weakref.ref(network)
        self._steps, self._epochs = steps, 0
        if self.schedule is not None:
            self.schedule.reset()

    def _hyper(self, kernel: Kernel, steps: int) -> tuple[str, dict[str, Any]]:
        """Return the compiled optimizer's name, and its hyper-parameters for the steps to come."""
        name, base = kernel
        if self.schedule is None:
            return name, dict(base)
        by_step = self.schedule.by == "step"
        t = (
            self._steps + np.arange(steps, dtype=np.float64)
            if by_step
            else np.full(1, self._epochs, np.float64)
        )
        found = {k: rates(k, v, t.shape) for k, v in self.schedule.hyper(base, t).items()}
        return name, base | {k: v if by_step else float(v[0]) for k, v in found.items()}

    def _prepare(
        self, network: Model, steps: int
    ) -> tuple[str, dict[str, Any], NDArray[np.float64], NDArray[Any]]:
        """Return what `_hyper` and `_bind` do; where that is refused, the state stays as it is."""
        owned = self._owner is not None and self._owner() is network
        schedule = None if owned else self.schedule
        before = self.__dict__.copy()
        observed = {} if schedule is None else schedule.state_dict()
        try:
            kernel = self._kernel()
            memo, slots = self._bind(network, kernel[0])
            return *self._hyper(kernel, steps), memo, slots
        except BaseException:
            self.__dict__ = before
            if schedule is not None:
                schedule.load_state_dict(observed)
            raise

    @property
    def current_lr(self) -> float:
        """The learning rate of the next step: `lr`, or what the schedule makes of it."""
        rate = self._hyper(self._kernel(), 1)[1]["lr"]
        return float(rate[0] if isinstance(rate, np.ndarray) else rate)

    @named
    def step(
        self,
        network: Model,
        gradients: Gradients | NDArray[Any],
        *,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        l2: float = 0.0,
    ) -> None:
        """Take one step by hand.

        Parameters
        ----------
        network : Network
        gradients : Gradients, or flat array in the order of ``network.parameters``
            As `Network.gradients` and `Network.backward` return them.
        clip_value, clip_norm, l2
            As in `Network.fit`.

        Raises
        ------
        TypeError, ValueError
            For gradients that aren't those of such a network.
        RuntimeError
            If the network is being trained.
        """
        if not isinstance(network, Model):
            raise TypeError(f"network: expected a Network, found {network!r}")
        limits = check_limits(clip_value, clip_norm, l2)
        with _core.OurEnvironment():
            flat = pack(network, gradients)
            name, hyper, memo, slots = self._prepare(network, 1)
        optimizer = _core.CoreOptimizer(name, hyper, limits, memo, slots)
        _core.optimizer_step(network._core, optimizer, flat)
        self._steps += 1

    def end_epoch(self, value: float | None = None) -> None:
        """Tell the schedule that an epoch of steps by hand is over, and what it brought."""
        self._epochs += 1
        if self.schedule is not None and value is not None:
            self.schedule.observe(float(value))

    def check(self) -> None:
        """Refuse a schedule that can't be one of the settings."""
        if self.schedule is not None:
            self.schedule.check(self._kernel()[1])

    # What training calls

    def _advance(self, steps: int, epochs: int = 0) -> None:
        """Count steps that have been taken, and epochs that a schedule need not observe."""
        self._steps += steps
        self._epochs += epochs

    def _forget(self) -> None:
        """Start afresh with the next step: the state is no longer that of the weights."""
        self._owner = None

    # What a checkpoint keeps

    def _described(self) -> tuple[dict[str, NDArray[Any]], int, int]:
        """Return the state's arrays by name, and the steps and epochs made."""
        tensors = {"optimizer.slots": self._slots, "optimizer.memo": self._memo}
        return tensors, self._steps, self._epochs

    def _expected(
        self, network: Model, settings: dict[str, Any]
    ) -> dict[str, tuple[tuple[int, ...], "np.dtype[Any]", bool]]:
        """Return the shape and dtype that `_described` gives with such settings, by name.

        And whether they may be infinite: the mean of a square may be, without harm to the weights.
        """
        other = copy.copy(self)  # without the state
        for name, value in settings.items():
            setattr(other, name, value)
        kernel = other._kernel()[0]
        shape = _core.optimizer_slots(kernel), network._core.packed_size
        return {
            "optimizer.slots": (shape, network.dtype, kernel.startswith(("adam", "rmsprop"))),
            "optimizer.memo": ((2,), np.dtype(np.float64), False),
        }

    def _restore(
        self, network: Model, tensors: dict[str, NDArray[Any]], steps: int, epochs: int
    ) -> None:
        """Take a state that has been checked against `_expected`."""
        # in place of the arrays, which keep what was in them if anything else is refused
        self._begin(network, tensors["optimizer.memo"], tensors["optimizer.slots"], steps)
        self._epochs = epochs

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings alone: the state belongs to a network that isn't pickled with it."""
        return {k: v for k, v in self.__dict__.items() if k not in _STATE}

    def __repr__(self) -> str:
        settings = self.__getstate__()
        if settings.get("schedule") is None:
            settings.pop("schedule", None)
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in settings.items())})"


def pack(network: Model, gradients: Gradients | NDArray[Any]) -> NDArray[Any]:
    """Return gradients as a new flat array in the order of the parameters, its padding 0."""
    flat = np.zeros_like(network.parameters)
    if isinstance(gradients, np.ndarray):
        native = gradients.dtype.newbyteorder("=")
        if gradients.shape != flat.shape or native != flat.dtype:
            raise ValueError(
                f"gradients: expected shape {flat.shape} of {flat.dtype}, "
                f"found {gradients.shape} of {gradients.dtype}"
            )
        given = checks.converted("gradients", gradients, flat.dtype)
        gradients = unpacked(
            network._core, len(network.sizes) - 1, given, flat
        )  # what the caller has in the padding stays there
    elif not isinstance(gradients, Gradients):
        raise TypeError(
            "gradients: expected those of Network.gradients or Network.backward, or a flat array, "
            f"found {checks.brief(gradients)}"
        )
    sizes, core = network.sizes, network._core
    n = len(sizes) - 1
    for name, parts, store in (
        ("weights", gradients.weights, core.set_weights),
        ("biases", gradients.biases, core.set_bias),
    ):
        if len(parts) != n:
            raise ValueError(f"gradients: expected {n} {name}, found {len(parts)}")
        for i, part in enumerate(parts):
            shape = (sizes[i + 1], sizes[i])[: 2 if name == "weights" else 1]
            a = checks.real_array(f"gradients.{name}[{i}]", part)
            if a.shape != shape:
                raise ValueError(
                    f"gradients: expected {name}[{i}] of shape {shape}, found {a.shape}"
                )
            store(i, checks.converted(f"gradients.{name}[{i}]", a, flat.dtype), flat)
    return flat


def check_optimizer(given: Any) -> Optimizer | None:
    """Return an optimizer or None; of anything else say what was probably meant."""
    if given is None or isinstance(given, Optimizer):
        return given
    ensure_imported(".support.synonyms")
    from ..support.synonyms import optimizer_hint

    raise TypeError(
        f"optimizer: expected SGD, Adam, AdamW, RMSprop, LBFGS or None, found {checks.brief(given)}"
        f"{optimizer_hint(given)}"
    )

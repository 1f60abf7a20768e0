"""The optimizers: small objects that hold their settings and, between calls, their state."""

import copy
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..model.gradients import Gradients, unpacked
from ..model.model import Model
from ..schedules import Schedule
from ..support import checks
from ..support.hints import Strict, named
from .ranges import SETTINGS, as_schedule, check_limits, rates

if TYPE_CHECKING:
    from ..model.samples import Samples
    from ..training.history import History
    from ..training.plan import Plan
    from ..training.run import Run

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
    _trained: tuple[Any, Any] | None = None  # by a run with a checkpoint: settings after and before

    def _set(self, lr: float, schedule: ScheduleLike) -> None:
        self.lr, self.schedule = lr, as_schedule(schedule)

    def __setattr__(self, name: str, value: Any) -> None:
        checked = SETTINGS.get(name)
        super().__setattr__(name, value if checked is None else checked(value))

    def _kernel(self) -> tuple[str, dict[str, float]]:
        """Return the compiled optimizer's name and its hyper-parameters."""
        raise NotImplementedError

    def _bind(self, network: Model) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Return the running scalars and the (slots, packed) state kept for `network`."""
        slots = _core.optimizer_slots(self._kernel()[0])
        shape = (slots, network.parameters.size)
        owner = None if self._owner is None else self._owner()
        if owner is not network or self._slots.shape != shape:
            self._slots = np.zeros(shape, network.dtype)
            self._memo = np.ones(2)
            self._owner = weakref.ref(network)
            self._steps = self._epochs = 0
            if self.schedule is not None:
                self.schedule.reset()
        return self._memo, self._slots

    def _hyper(self, steps: int) -> tuple[str, dict[str, Any]]:
        """Return the compiled optimizer's name, and its hyper-parameters for the steps to come."""
        name, base = self._kernel()
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

    def _prepared(
        self, network: Model, steps: int
    ) -> tuple[str, dict[str, Any], NDArray[np.float64], NDArray[Any]]:
        """Return what `_hyper` and `_bind` do; where that is refused, the state stays as it is."""
        owned = self._owner is not None and self._owner() is network
        schedule = None if owned else self.schedule
        before = self.__dict__.copy()
        observed = {} if schedule is None else schedule.state_dict()
        try:
            memo, slots = self._bind(network)
            return *self._hyper(steps), memo, slots
        except BaseException:
            self.__dict__ = before
            if schedule is not None:
                schedule.load_state_dict(observed)
            raise

    @property
    def current_lr(self) -> float:
        """The learning rate of the next step: `lr`, or what the schedule makes of it."""
        rate = self._hyper(1)[1]["lr"]
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
            name, hyper, memo, slots = self._prepared(network, 1)
        _core.optimizer_step(network._core, name, hyper, limits, memo, slots, flat)
        self._steps += 1

    def end_epoch(self, value: float | None = None) -> None:
        """Tell the schedule that an epoch of steps by hand is over, and what it brought."""
        self._epochs += 1
        if self.schedule is not None and value is not None:
            self.schedule.observe(float(value))

    def _check(self, plan: "Plan", samples: "Samples | None") -> None:
        """Say, before anything is changed, why it can't do what fit is asked to."""
        base = self._kernel()[1]
        if self.schedule is not None:
            self.schedule.check(base)

    def _fit(self, run: "Run") -> "History":
        """Train as a run of fit says."""
        return run.run()

    # What a checkpoint keeps

    def _tensors(self) -> dict[str, NDArray[Any]]:
        return {"optimizer.slots": self._slots, "optimizer.memo": self._memo}

    def _expected(
        self, network: Model, settings: dict[str, Any]
    ) -> dict[str, tuple[tuple[int, ...], "np.dtype[Any]", bool]]:
        """Return the shape and dtype that `_tensors` have with such settings, by name.

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

    def _restore(self, network: Model, tensors: dict[str, NDArray[Any]]) -> None:
        self._bind(network)
        # in place of the arrays, which keep what was in them if anything else is refused
        self._memo, self._slots = tensors["optimizer.memo"], tensors["optimizer.slots"]

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
            f"found {gradients!r}"
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
    from ..support.synonyms import optimizer_hint

    raise TypeError(
        f"optimizer: expected SGD, Adam, AdamW, RMSprop, LBFGS or None, found {given!r}"
        f"{optimizer_hint(given)}"
    )


_STATE = ("_owner", "_slots", "_memo", "_steps", "_epochs", "_start", "_end", "_trained")


class SGD(Optimizer):
    """Stochastic gradient descent, with PyTorch's names and formulas.

    Parameters
    ----------
    lr : float
        Learning rate, at least 0.
    momentum : float
        In [0, 1). The velocity is ``v = momentum * v + g`` and begins as 0 (Sutskever et al., "On
        the importance of initialization and momentum in deep learning", ICML 2013).
    nesterov : bool
        Step along ``g + momentum * v`` instead of ``v``; needs a momentum above 0.
    weight_decay : float
        Adds ``weight_decay`` times the parameter to its gradient, at least 0.
    schedule : Schedule or callable, optional
        Of `featherweight.schedules`, or a factor as a function of the epoch, from 0.

    Raises
    ------
    TypeError, ValueError
        If a setting isn't a number, or is out of its range, NaN or infinite.
    """

    __module__ = "featherweight.optimizers"

    def __init__(
        self,
        lr: float = 1e-3,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        *,
        schedule: ScheduleLike = None,
    ) -> None:
        self._set(lr, schedule)
        self.momentum, self.nesterov, self.weight_decay = momentum, nesterov, weight_decay
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("nesterov: expected a momentum above 0 with it, found momentum=0.0")

    def _kernel(self) -> tuple[str, dict[str, float]]:
        hyper = {
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "momentum": self.momentum,
        }
        if self.momentum == 0.0:
            return "sgd", hyper
        return ("nesterov" if self.nesterov else "momentum"), hyper


class Adam(Optimizer):
    """Adam (Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015).

    Parameters
    ----------
    lr : float
        Learning rate, at least 0.
    betas : tuple of two floats
        Decay of the running means of the gradient and of its square, each in [0, 1).
    eps : float
        Added to the root of the second mean, above 0.
    weight_decay : float
        Adds ``weight_decay`` times the parameter to its gradient, at least 0.
    schedule : Schedule or callable, optional
        Of `featherweight.schedules`, or a factor as a function of the epoch, from 0.

    Raises
    ------
    TypeError, ValueError
        If a setting isn't a number, or is out of its range, NaN or infinite.
    """

    __module__ = "featherweight.optimizers"

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        schedule: ScheduleLike = None,
    ) -> None:
        self._set(lr, schedule)
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay

    _name = "adam"

    def _kernel(self) -> tuple[str, dict[str, float]]:
        return self._name, {
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "beta1": self.betas[0],
            "beta2": self.betas[1],
            "eps": self.eps,
        }


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019), with PyTorch's names.

    Parameters
    ----------
    lr, betas, eps, schedule
        As of `Adam`.
    weight_decay : float
        Each step multiplies the parameters by ``1 - lr * weight_decay``, whatever the gradient; at
        least 0.

    Raises
    ------
    TypeError, ValueError
        If a setting isn't a number, or is out of its range, NaN or infinite.
    """

    __module__ = "featherweight.optimizers"

    _name = "adamw"

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        schedule: ScheduleLike = None,
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay, schedule=schedule)


class RMSprop(Optimizer):
    """RMSprop (Hinton, "Neural networks for machine learning", lecture 6e, 2012), as in PyTorch.

    Parameters
    ----------
    lr : float
        Learning rate, at least 0.
    alpha : float
        Decay of the running mean of the gradient's square, in [0, 1).
    eps : float
        Added to the root of that mean, above 0.
    weight_decay : float
        Adds ``weight_decay`` times the parameter to its gradient, at least 0.
    momentum : float
        In [0, 1): of the steps, as in `SGD`.
    centered : bool
        Divide by the root of the variance instead, the mean of the gradient being kept too (Graves,
        "Generating sequences with recurrent neural networks", 2013). A variance below 0 by rounding
        counts as 0.
    schedule : Schedule or callable, optional
        As of `SGD`.

    Raises
    ------
    TypeError, ValueError
        If a setting isn't a number, or is out of its range, NaN or infinite.
    """

    __module__ = "featherweight.optimizers"

    def __init__(
        self,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        schedule: ScheduleLike = None,
    ) -> None:
        self._set(lr, schedule)
        self.alpha, self.eps, self.weight_decay = alpha, eps, weight_decay
        self.momentum, self.centered = momentum, centered

    def _kernel(self) -> tuple[str, dict[str, float]]:
        name = "rmsprop" + "_centered" * self.centered + "_momentum" * (self.momentum > 0)
        return name, {
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "momentum": self.momentum,
            "alpha": self.alpha,
            "eps": self.eps,
        }

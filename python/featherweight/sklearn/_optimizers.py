"""Our optimizers with scikit-learn's settings, and what these do at an epoch's end."""

import copy
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..optimizers import SGD, Adam, AdamW, Optimizer
from ..optimizers.base import Kernel
from ..schedules import Schedule
from ..support.checks import number, whole
from ._records import MOST

if TYPE_CHECKING:
    from ..network import Network

_STATE = ("_slots", "_memo", "_steps", "_epochs")


class SteppedSGD(SGD):
    """SGD whose rate scikit-learn's `learning_rate` changes at an epoch's end."""

    power_t = 0.5

    def __init__(self, estimator: Any) -> None:
        super().__init__(float(estimator.learning_rate_init), schedule=schedule_of(estimator))
        self.update(estimator)

    def update(self, estimator: Any) -> None:
        """Take the estimator's settings, which may have changed, and keep the state."""
        given = (float(estimator.learning_rate_init), estimator.learning_rate)
        if getattr(self, "_given", None) != given:
            self._given = given
            self.set_rate(given[0])
        # 1.0 is allowed there, and not in SGD's own settings, whose check this passes by
        vars(self)["momentum"] = float(estimator.momentum)
        self.nesterov = bool(estimator.nesterovs_momentum) and self.momentum > 0
        self.power_t = float(estimator.power_t)

    @property
    def learning_rate(self) -> float:
        """The present rate, by scikit-learn's name."""
        return self.lr

    def set_rate(self, rate: float) -> None:
        """Change the rate; scikit-learn's velocity, ours times the rate, stays as it is."""
        if self._owner is not None and rate > 0:
            # new ones, so that the old ones are there still if the call is refused after all
            self._slots = self._slots * (self.lr / rate)
        self.lr = rate

    def iteration_ends(self, samples: int) -> None:
        """Change the rate after so many samples in all."""
        if self._given[1] == "invscaling":
            self.set_rate(self._given[0] / (samples + 1) ** self.power_t)

    def trigger_stopping(self, message: str, verbose: Any) -> bool:
        """Return whether to stop, nothing getting better: not while the rate can become less."""
        stop = self._given[1] != "adaptive" or self.lr <= 1e-6
        if stop and self._given[1] == "adaptive":
            message += " Learning rate too small."
        if not stop:
            self.set_rate(self.lr / 5.0)
        if verbose:
            print(message + (" Stopping." if stop else f" Setting learning rate to {self.lr:f}"))
        return stop


class SteppedAdam(Adam):
    """Adam with its epsilon where scikit-learn has it: beside the root of the uncorrected mean."""

    def __init__(self, estimator: Any) -> None:
        super().__init__(schedule=schedule_of(estimator))
        self.update(estimator)

    def update(self, estimator: Any) -> None:
        """Take the estimator's settings, which may have changed, and keep the state."""
        self.lr = float(estimator.learning_rate_init)
        self.betas = (float(estimator.beta_1), float(estimator.beta_2))
        # any above 0 is allowed there, and not in Adam's own settings, whose check this passes by
        vars(self)["eps"] = float(estimator.epsilon)
        self.weight_decay = float(estimator.weight_decay)
        self._name = AdamW._name if self.weight_decay else Adam._name

    def _hyper(self, kernel: Kernel, steps: int) -> tuple[str, dict[str, Any]]:
        name, hyper = super()._hyper(kernel, steps)
        t = np.arange(self._steps + 1, self._steps + steps + 1, dtype=np.float64)
        hyper["eps"] = self.eps / np.sqrt(1.0 - self.betas[1] ** t)
        return name, hyper

    @property
    def learning_rate(self) -> float:
        """The present rate, by scikit-learn's name."""
        return self.lr

    def iteration_ends(self, samples: int) -> None:
        """Do nothing: Adam's rate is the steps' own affair."""

    def trigger_stopping(self, message: str, verbose: Any) -> bool:
        """Return whether to stop, nothing getting better."""
        if verbose:
            print(message + " Stopping.")
        return True


Stepped = SteppedSGD | SteppedAdam


def make(estimator: Any) -> Stepped:
    """Return the optimizer that the estimator's parameters describe."""
    return SteppedSGD(estimator) if estimator.solver == "sgd" else SteppedAdam(estimator)


def renewed(estimator: Any, before: Stepped | None) -> Stepped:
    """Return the optimizer to go on with: the one before, unless the parameters ask for another."""
    fresh = make(estimator)
    if type(before) is not type(fresh) or before is None or kind(before) != kind(fresh):
        return fresh
    before.update(estimator)
    if repr(before.schedule) != repr(fresh.schedule):
        before.schedule = fresh.schedule
    return before


def moved(optimizer: Stepped, before: "Network", network: "Network") -> Stepped:
    """Return an optimizer that goes on with another network where that one's left off."""
    found, state = copy.copy(optimizer), state_of(optimizer, before)
    if state is not None:
        restore(found, network, state)
    return found


def of(attributes: dict[str, Any]) -> Stepped | None:
    """Return the optimizer among an estimator's attributes: none where it is scikit-learn's own."""
    found = attributes.get("_optimizer")  # copied, it may be, with all others
    return found if isinstance(found, Stepped) else None


def kind(optimizer: Stepped) -> str:
    """Return the compiled optimizer's name."""
    return optimizer._kernel()[0]


def schedule_of(estimator: Any) -> Any:
    """Return a schedule of the estimator's own, so that what it has observed isn't shared."""
    given = estimator.schedule
    return copy.deepcopy(given) if isinstance(given, Schedule) else given


def state_of(optimizer: Optimizer, network: "Network") -> dict[str, Any] | None:
    """Return what an optimizer keeps beside a network's parameters."""
    if optimizer._owner is None or optimizer._owner() is not network:
        return None
    return {name: getattr(optimizer, name) for name in _STATE}


def restore(optimizer: Optimizer, network: "Network", state: dict[str, Any]) -> None:
    """Put back what `state_of` returned; what the schedule has observed stays."""
    seen = observed(optimizer)
    optimizer._bind(network)
    for name in ("_slots", "_memo"):
        shape = getattr(optimizer, name).shape
        if state[name].shape != shape:
            raise ValueError(f"expected {name} of shape {shape}, found {state[name].shape}")
    if seen:
        vars(optimizer.schedule).update(seen)
    optimizer._slots[...] = state["_slots"]
    optimizer._memo[...] = state["_memo"]
    optimizer._steps, optimizer._epochs = state["_steps"], state["_epochs"]


def observed(optimizer: Optimizer) -> dict[str, Any]:
    """Return what the optimizer's schedule has seen of the training."""
    found = {} if optimizer.schedule is None else vars(optimizer.schedule)
    return {k: v for k, v in found.items() if k.startswith("_")}


def described(optimizer: Any, state: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an optimizer's state as JSON has it, and its tensors."""
    return {
        "steps": state["_steps"], "epochs": state["_epochs"], "lr": optimizer.lr,
        "given": getattr(optimizer, "_given", None), "observed": observed(optimizer),
    }, {"optimizer.slots": state["_slots"], "optimizer.memo": state["_memo"]}  # fmt: skip


def put_back(
    optimizer: Stepped, network: "Network", found: dict[str, Any], tensors: dict[str, Any]
) -> None:
    """Give an optimizer the state that was described."""
    steps, epochs = (whole(name, found[name], 0, MOST) for name in ("steps", "epochs"))
    state = {"_slots": tensors["optimizer.slots"], "_memo": tensors["optimizer.memo"]}
    restore(optimizer, network, state | {"_steps": steps, "_epochs": epochs})
    optimizer.lr = number("lr", found["lr"], 0.0, math.inf)
    if isinstance(optimizer, SteppedSGD):
        rate, learning_rate = found["given"]
        optimizer._given = number("lr", rate, 0.0, math.inf), str(learning_rate)
    seen, before = found["observed"], observed(optimizer)
    if {k: type(v) for k, v in seen.items()} != {k: type(v) for k, v in before.items()}:
        raise ValueError(f"expected what a schedule has seen, {before}, found {seen}")
    if seen:
        vars(optimizer.schedule).update(seen)

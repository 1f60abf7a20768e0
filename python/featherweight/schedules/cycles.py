"""The schedules of many settings: one cycle, and reductions when nothing gets better."""

import math
from typing import Any

import numpy as np

from ..support.checks import brief, choice, flag, number, whole
from .base import Schedule, Times, cosine


class OneCycleLR(Schedule):
    """Up to `max_lr` and down again to nearly nothing (Smith and Topin, "Super-convergence", 2018).

    The optimizer's own rate isn't used: the first is ``max_lr / div_factor``, the last that over
    ``final_div_factor``, at which it stays after `total_steps`. With `cycle_momentum`, the momentum
    (or beta1) runs the other way, from `max_momentum` to `base_momentum` and back; Adam corrects
    its bias by the product of the betas that were used, where PyTorch takes a power of the last.

    Parameters
    ----------
    max_lr : float
        The largest rate, at least 0.
    total_steps : int
        How long it is, at least 1.
    pct_start : float
        The part of it on the way up, in [0, 1).
    anneal_strategy : {"cos", "linear"}
        Along half a cosine, or a line.
    cycle_momentum : bool
        Whether the momentum (or beta1) runs, too; the optimizer must have one then.
    base_momentum, max_momentum : float
        Its least and its largest value, in [0, 1).
    div_factor, final_div_factor : float
        What makes the first rate of the largest, and the last of the first; above 0.
    three_phase : bool
        Down to the first rate again, in as many steps as up, before the last.
    by : {"step", "epoch"}
        What t counts.

    Raises
    ------
    TypeError, ValueError
        If a setting is of another kind, or out of its range.
    """

    def __init__(
        self,
        max_lr: float,
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        by: str = "step",
    ) -> None:
        super().__init__(by)
        self.max_lr = number("max_lr", max_lr, 0.0, math.inf)
        self.total_steps = whole("total_steps", total_steps, 1)
        self.pct_start = number("pct_start", pct_start, 0.0, 1.0)
        self.anneal_strategy = choice("anneal_strategy", anneal_strategy, ("cos", "linear"))
        self.cycle_momentum = flag("cycle_momentum", cycle_momentum)
        self.base_momentum = number("base_momentum", base_momentum, 0.0, 1.0)
        self.max_momentum = number("max_momentum", max_momentum, 0.0, 1.0)
        self.div_factor = number("div_factor", div_factor, 0.0, math.inf, open_low=True)
        self.final_div_factor = number(
            "final_div_factor", final_div_factor, 0.0, math.inf, open_low=True
        )
        self.three_phase = flag("three_phase", three_phase)

    def _phases(self, t: Times, low: float, high: float, last: float) -> Times:
        up = self.pct_start * self.total_steps - 1
        end = float(self.total_steps - 1)
        ends = [up, 2 * up, end] if self.three_phase else [up, end]
        values = [low, high, low, last] if self.three_phase else [low, high, last]
        found, begin = np.full_like(t, values[-1]), 0.0
        todo = np.ones(t.shape, bool)
        for stop, a, b in zip(ends, values, values[1:], strict=False):
            here = todo & (t <= stop)
            part = (t[here] - begin) / (stop - begin) if stop > begin else np.ones(here.sum())
            if self.anneal_strategy == "cos":
                found[here] = cosine(a, b, part)
            else:
                found[here] = a + (b - a) * part
            todo &= ~here
            begin = stop
        return found

    def rates(self, lr: float, t: Times) -> Times:
        first = self.max_lr / self.div_factor
        return self._phases(t, first, self.max_lr, first / self.final_div_factor)

    def check(self, base: dict[str, float]) -> None:
        if self.cycle_momentum and not (base.get("beta1") or base.get("momentum")):
            raise ValueError(
                "cycle_momentum: expected an optimizer with momentum or betas, or False, "
                "found one without"
            )

    def hyper(self, base: dict[str, float], t: Times) -> dict[str, Times]:
        self.check(base)
        found = super().hyper(base, t)
        if self.cycle_momentum:
            name = "beta1" if "beta1" in base else "momentum"
            top = self.max_momentum
            found[name] = self._phases(t, top, self.base_momentum, top)
        return found


class ReduceLROnPlateau(Schedule):
    """The rate times `factor` after more than `patience` epochs that brought nothing better.

    Parameters
    ----------
    mode : {"min", "max"}
        Whether less is better, or more.
    factor : float
        In (0, 1).
    patience, cooldown : int
        Epochs without an improvement that are borne; epochs after a reduction that don't count.
    threshold : float
        What an improvement must exceed: of the best (`threshold_mode` "rel", for values above 0) or
        outright ("abs").
    min_lr : float
        The least rate.
    eps : float
        A reduction by less isn't made.
    monitor : str, optional
        A list of the history; by default ``val_loss``, without validation data ``loss``.

    Raises
    ------
    TypeError, ValueError
        If a setting is of another kind, or out of its range.
    """

    def __init__(
        self,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
        monitor: str | None = None,
    ) -> None:
        super().__init__("epoch")
        self.mode = choice("mode", mode, ("min", "max"))
        self.factor = number("factor", factor, 0.0, 1.0, open_low=True)
        self.patience = whole("patience", patience, 0)
        self.threshold = number("threshold", threshold, 0.0, math.inf)
        self.threshold_mode = choice("threshold_mode", threshold_mode, ("rel", "abs"))
        self.cooldown = whole("cooldown", cooldown, 0)
        self.min_lr = number("min_lr", min_lr, 0.0, math.inf)
        self.eps = number("eps", eps, 0.0, math.inf)
        if monitor is not None and not isinstance(monitor, str):
            raise TypeError(
                f"monitor: expected a name of the history or None, found {brief(monitor)}"
            )
        self.monitor = monitor
        self.reset()

    def reset(self) -> None:
        self._best = math.inf if self.mode == "min" else -math.inf
        self._bad = self._rest = self._reductions = 0

    def observe(self, value: float) -> None:
        step = -self.threshold if self.mode == "min" else self.threshold
        limit = self._best * (1 + step) if self.threshold_mode == "rel" else self._best + step
        if value < limit if self.mode == "min" else value > limit:  # never so of NaN
            self._best, self._bad = value, 0
        else:
            self._bad += 1
        if self._rest > 0:
            self._rest -= 1
            self._bad = 0
        if self._bad > self.patience:
            self._reductions += 1
            self._rest, self._bad = self.cooldown, 0

    def rates(self, lr: float, t: Times) -> Times:
        rate = lr
        for _ in range(self._reductions):
            less = max(rate * self.factor, self.min_lr)
            if not rate - less > self.eps:  # nor will it ever be
                break
            rate = less
        return np.full_like(t, rate)

    def _check_state(self, state: Any, network: Any = None) -> None:
        super()._check_state(state, network)
        best = state["_best"]
        if not (type(best) is float or (type(best) is int and abs(best) < 1 << 53)):
            raise ValueError(f"expected a number as _best, found {best!r}")
        for name in ("_bad", "_rest", "_reductions"):
            if type(state[name]) is not int or not 0 <= state[name] < 1 << 53:
                raise ValueError(f"expected a count as {name}, found {state[name]!r}")

"""L-BFGS by SciPy, on our loss and gradient of all rows at once."""

import math
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..model.samples import Samples
from ..support.checks import counted
from ..support.imports import ensure_imported
from ..training.messages import bad_inputs, training
from ..training.run import Epoch
from .base import Optimizer

if TYPE_CHECKING:
    from ..model.model import Model
    from ..training.history import History
    from ..training.plan import Plan
    from ..training.run import Run


class LBFGS(Optimizer):
    """L-BFGS (Liu and Nocedal, "On the limited memory BFGS method", Math. Programming 45, 1989).

    Full-batch, by SciPy's ``L-BFGS-B`` (the extra ``lbfgs``): `fit`'s epochs are its iterations at
    most, and `batch_size` and `shuffle` have no meaning. It has no learning rate, its state doesn't
    outlive a call of `fit`, and it keeps the activations of all rows. The same bits come out where
    SciPy's own sums are the same. SciPy's state cannot be saved: training that is resumed repeats
    its iterations from the first one's weights, without telling the callbacks again.

    Parameters
    ----------
    history_size : int
        Pairs of steps and gradients that are remembered, at least 1: each takes twice the memory
        of the parameters in float64.
    tolerance_grad : float
        Ends when no element of the gradient is larger, at least 0.
    tolerance_change : float
        Ends when the loss falls by a smaller part of itself, at least 0.
    max_eval : int, optional
        How often the loss may be computed, at least 1; by default 20 times for each iteration.

    Attributes
    ----------
    converged : bool
        Whether one of the tolerances ended the last call of `fit`.
    message : str
        SciPy's sentence on how it ended; empty before.

    Raises
    ------
    TypeError, ValueError
        If a setting isn't a number, or is out of its range.
    """

    __module__ = "featherweight"

    lr = 1.0
    schedule = None
    _end: Any = None  # SciPy's result

    def __init__(
        self,
        history_size: int = 100,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        max_eval: int | None = None,
    ) -> None:
        self.history_size, self.max_eval = history_size, max_eval
        self.tolerance_grad, self.tolerance_change = tolerance_grad, tolerance_change

    if not TYPE_CHECKING:

        def __setattr__(self, name, value):
            if name in ("lr", "schedule") and value != getattr(self, name):
                raise AttributeError(
                    f"{name}: expected none for LBFGS, which has no learning rate, found {value!r}"
                )
            super().__setattr__(name, value)

    @property
    def converged(self) -> bool:
        return self._end is not None and self._end.status == 0

    @property
    def message(self) -> str:
        return "" if self._end is None else str(self._end.message)

    def _kernel(self) -> tuple[str, dict[str, float]]:
        raise TypeError("LBFGS: expected to be used by fit, which gives it all rows")

    def _check(self, plan: "Plan", samples: Samples | None) -> None:
        ensure_imported("scipy.optimize")
        try:
            import_module("scipy.optimize")
        except ImportError:
            raise ImportError(
                "LBFGS needs SciPy, which is not installed: pip install 'featherweight[lbfgs]'"
            ) from None
        if samples is None:
            raise ValueError("x: expected arrays with LBFGS, found an iterable of batches")
        if plan.limits[0] or plan.limits[1] or any(plan.dropout):
            raise ValueError("optimizer: expected no clipping and no dropout with LBFGS")

    def _fit(self, run: "Run") -> "History":
        assert run.samples is not None
        self._end, run.state._holds = None, "the last completed one"
        with training(run, "iteration"):
            self._minimize(run, run.samples)
        return run.history

    def _minimize(self, run: "Run", samples: Samples) -> None:
        minimize = import_module("scipy.optimize").minimize
        plan, network = run.plan, run.network
        objective = _Objective(run, samples)
        accepted, done, again = network.parameters.copy(), len(run.history.epoch), 0
        if not done:
            self._start = accepted.copy()
        options = {
            "maxiter": plan.epochs,
            "maxcor": self.history_size,
            "gtol": self.tolerance_grad,
            "ftol": self.tolerance_change,
            "maxfun": self.max_eval or 20 * max(1, plan.epochs),
        }

        def value_and_gradient(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            # SciPy says when an iteration is over; what it asks for next begins another
            if again >= done and run.state.epoch <= len(run.history.epoch) and run.enter():
                raise StopIteration
            return objective(theta)

        def after(xk: NDArray[np.float64]) -> None:
            nonlocal again
            again += 1
            loss = objective.value(xk)
            if again < done:
                return
            if again == done:
                if not np.array_equal(accepted, network.parameters):
                    raise RuntimeError(
                        "resume: expected the weights that were after "
                        f"{counted(done, 'iteration')}, found others; is this another version "
                        "of SciPy?"
                    )
                return
            accepted[:] = network.parameters
            epoch = Epoch(len(run.history.epoch) + 1)
            epoch.loss, epoch.rows, epoch.lr = loss, objective.samples.n, 1.0
            if plan.classifier:
                epoch.correct = objective.correct
            if run.end(epoch):
                raise StopIteration

        try:
            if not run.open() and done < plan.epochs:
                self._end = minimize(
                    value_and_gradient, self._start.astype(np.float64), jac=True,
                    method="L-BFGS-B", callback=after, options=options,
                )  # fmt: skip
        except StopIteration:  # of a callback, before an iteration
            pass
        finally:
            network.parameters[:] = accepted

    def _tensors(self) -> dict[str, NDArray[Any]]:
        return {"optimizer.start": self._start}

    def _expected(
        self, network: "Model", settings: dict[str, Any]
    ) -> dict[str, tuple[tuple[int, ...], "np.dtype[Any]", bool]]:
        return {"optimizer.start": ((network._core.packed_size,), network.dtype, False)}

    def _restore(self, network: "Model", tensors: dict[str, NDArray[Any]]) -> None:
        self._start = tensors["optimizer.start"]


class _Objective:
    """The loss of all rows, and its gradient, as functions of the packed parameters."""

    def __init__(self, run: "Run", samples: Samples) -> None:
        if samples.rows is not None:
            parts: list[Any] = [None if a is None else a[samples.rows] for a in samples[:4]]
            samples = Samples(*parts)
        self._run, self.samples, self.parameters = run, samples, run.network.parameters
        self.trainer = run.plan.trainer(run.network._core, samples.n)
        self._flat = np.empty_like(self.parameters)
        self._l2, self._weights = run.plan.limits[2], np.zeros(self.parameters.shape, bool)
        at = 0
        for i, o in pairwise(run.network.sizes):
            panels = -(-o // 16) * 16
            self._weights[at : at + panels * i] = True
            at += panels * (i + 1)
        self._last: tuple[NDArray[np.float64], float] | None = None
        self.correct = 0  # rows read rightly where was looked last

    def __call__(self, theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        self.parameters[:] = theta
        loss, self.correct = self.trainer.gradients(*self.samples[:4], self._flat, None)
        if self._last is None and not math.isfinite(loss):
            why = bad_inputs(self._run)
            sentence = (
                f"loss: expected a finite one, found {loss} before the first iteration"
                if why is None
                else f"{why}; the loss was {loss} before the first iteration"
            )
            raise FloatingPointError(f"{sentence}; the network holds the weights that it had")
        gradient = self._flat.astype(np.float64)
        if self._l2:
            weights = np.where(self._weights, self.parameters, 0).astype(np.float64)
            loss += self._l2 / 2 * float(weights @ weights)
            gradient += self._l2 * weights
        self._last = theta.copy(), loss
        return loss, gradient

    def value(self, theta: NDArray[np.float64]) -> float:
        """Return the loss at theta, which is what was looked at last but for rare exceptions."""
        if self._last is None or not np.array_equal(self._last[0], theta):
            self(theta)
        assert self._last is not None
        return self._last[1]

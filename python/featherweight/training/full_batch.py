"""Training on all rows at once: L-BFGS by SciPy, on our loss and gradient."""

import math
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..model.samples import Samples
from ..optimizers import LBFGS
from ..support.checks import counted
from ..support.optional import need
from .epochs import Epoch, make_trainer
from .history import History
from .messages import not_finite
from .plan import Plan
from .run import Run


def check(plan: Plan) -> None:
    """Say, before anything is changed, why such an optimizer can't do what a plan says."""
    need("scipy.optimize", "lbfgs", "LBFGS")
    if plan.samples is None:
        raise ValueError("x: expected arrays with LBFGS, found an iterable of batches")
    if plan.limits[0] or plan.limits[1] or any(plan.dropout):
        raise ValueError("optimizer: expected no clipping and no dropout with LBFGS")


def minimize(run: Run) -> History:
    """Train as a run says, its epochs being SciPy's iterations."""
    optimizer, samples = run.plan.optimizer, run.samples
    assert isinstance(optimizer, LBFGS)
    assert samples is not None
    optimizer._end, run.state.holds = None, "the last completed one"
    with run.running("iteration"):
        _iterate(run, samples, optimizer)
    return run.history


def _iterate(run: Run, samples: Samples, optimizer: LBFGS) -> None:
    plan, network = run.plan, run.network
    objective = _Objective(run, samples)
    accepted, done, again = network.parameters.copy(), len(run.history.epoch), 0
    if not done:
        optimizer._start = accepted.copy()
    options = {
        "maxiter": plan.epochs,
        "maxcor": optimizer.history_size,
        "gtol": optimizer.tolerance_grad,
        "ftol": optimizer.tolerance_change,
        "maxfun": optimizer.max_eval or 20 * max(1, plan.epochs),
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
        run.good[:], accepted[:] = accepted, network.parameters
        epoch = Epoch(len(run.history.epoch) + 1)
        epoch.loss, epoch.rows, epoch.lr = loss, objective.samples.n, 1.0
        if plan.classifier:
            epoch.correct = objective.correct
        try:
            stop = run.end(epoch)
        except BaseException as e:
            if e is run.failure:  # of data that were changed: the iteration doesn't count
                accepted[:] = run.good
            raise
        if stop:
            raise StopIteration

    try:
        if not run.open() and done < plan.epochs:
            optimizer._end = import_module("scipy.optimize").minimize(
                value_and_gradient, optimizer._start.astype(np.float64), jac=True,
                method="L-BFGS-B", callback=after, options=options,
            )  # fmt: skip
    except StopIteration:  # of a callback, before an iteration
        pass
    finally:
        network.parameters[:] = accepted


class _Objective:
    """The loss of all rows, and its gradient, as functions of the packed parameters."""

    def __init__(self, run: Run, samples: Samples) -> None:
        if samples.rows is not None:
            parts: list[Any] = [None if a is None else a[samples.rows] for a in samples[:4]]
            samples = Samples(*parts)
        self._run, self.samples, self.parameters = run, samples, run.network.parameters
        self.trainer = make_trainer(run.network, run.plan, samples.n)
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
        if self.samples is self._run.samples:  # and not a copy of some of its rows
            self._run.expect_unchanged(len(self._run.history.epoch) + 1)
        try:
            samples = _core.CoreSamples(*self.samples)
            loss, self.correct = self.trainer.gradients(samples, self._flat, None)
        except ValueError as e:
            raise self._failure(ValueError(f"{e} ({self._where()})")) from None
        if not (math.isfinite(loss) and np.isfinite(self._flat).all()):
            self._refuse_inputs(loss)
        gradient = self._flat.astype(np.float64)
        if self._l2:
            weights = np.where(self._weights, self.parameters, 0).astype(np.float64)
            loss += self._l2 / 2 * float(weights @ weights)
            gradient += self._l2 * weights
        self._last = theta.copy(), loss
        return loss, gradient

    def _where(self) -> str:
        return f"in iteration {len(self._run.history.epoch) + 1}"

    def _failure(self, error: FloatingPointError | ValueError) -> Exception:
        return self._run.fail(error, len(self._run.history.epoch) + 1)

    def _refuse_inputs(self, loss: float) -> None:
        """Say which inputs aren't finite if that is why the loss or its gradient isn't.

        With finite ones SciPy tries a shorter step, but before the first iteration it can't.
        """
        why = self._run.bad_inputs()
        if self._last is not None:
            if why is not None:
                raise self._failure(not_finite("loss", why, self._where()))
        elif why is not None or not math.isfinite(loss):
            sentence = (
                f"loss: expected a finite one, found {loss} before the first iteration"
                if why is None
                else f"{why}; the loss was {loss} before the first iteration"
            )
            raise FloatingPointError(f"{sentence}; the network holds the weights that it had")

    def value(self, theta: NDArray[np.float64]) -> float:
        """Return the loss at theta: kept from the last evaluation, but for rare exceptions."""
        if self._last is None or not np.array_equal(self._last[0], theta):
            self(theta)
        assert self._last is not None
        return self._last[1]

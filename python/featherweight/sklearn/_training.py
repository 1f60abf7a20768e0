"""Training as scikit-learn does it: its batches, its books, its reasons to stop."""

import math
import time
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from ..losses import Named
from ..model.samples import Samples
from ..optimizers import LBFGS
from ..support import checks
from ..support.not_finite import finite
from ..training import full_batch
from ..training.epochs import Epoch
from ..training.fit import carry_out
from ..training.plan import Plan
from ..training.run import Run
from ._data import Batches, Parts, Problem

if TYPE_CHECKING:
    from ..network import Network
    from ..training.history import History
    from ._books import Attempt

_FAILED = (
    "Solver produced non-finite parameter weights. The input data may contain large values and "
    "need to be preprocessed."
)


def _in_x(why: str | None) -> str | None:
    """Return a sentence on inputs with their name in scikit-learn."""
    return None if why is None else f"X{why.removeprefix('x')}"


class Goal(NamedTuple):
    """A loss as the core has it, and how scikit-learn's figure comes of it."""

    loss: str
    parameter: float = 0.0
    output_weights: tuple[float, ...] = ()
    share: float = 1.0  # of the data's part: that is a mean over outputs there, trained on as a sum

    def shown(self, loss: float, penalty: float) -> float:
        """Return scikit-learn's figure: the data's part and the penalty, weighed apart."""
        return loss if self.share == 1.0 else (loss - penalty) * self.share + penalty

    def plan(self, estimator: Any, network: "Network", **settings: Any) -> Plan:
        """Return a plan for the estimator's network."""
        loss = Named(self.loss)
        loss.parameter = self.parameter
        found = {
            "loss": loss,
            "output_weights": list(self.output_weights),
            "shuffle": False,
            "key": network._generator.key,
            "first_epoch": network._generator.epochs,
            "dropout": checks.dropout(
                estimator.dropout, estimator.input_dropout, len(network.sizes) - 2
            ),
            "progress": estimator.progress,
            "max_time": math.inf if estimator.max_time is None else float(estimator.max_time),
        }
        return Plan(**(found | settings))


class Stochastic(Run):
    """A run of fit by sgd or adam."""

    def __init__(
        self,
        estimator: Any,
        attempt: "Attempt",
        problem: Problem,
        goal: Goal,
        plan: Plan,
        rows: NDArray[np.int64] | None,
        held_out: Any,
        validation: Samples | Parts | None,
    ) -> None:
        sparse = hasattr(problem.x, "toarray")
        batches = Batches(problem, plan.batch_size) if sparse else None
        samples = None if sparse else Samples(*problem, rows=rows)
        parts = validation if isinstance(validation, Parts) else None
        head = validation.head if isinstance(validation, Parts) else validation
        plan.samples, plan.batches, plan.validation = samples, batches, head
        super().__init__(estimator.network_, plan)
        self._attempt, self._parts = attempt, parts
        self._estimator, self._goal, self._held_out = estimator, goal, held_out
        self._count = problem.rows if rows is None else len(rows)
        self._from = rows
        self.incremental = False
        self._figures: dict[str, float] | None = None  # measured already
        self.best: NDArray[Any] | None = None  # parameters
        if batches is not None and rows is not None:
            batches.rows = rows

    def next(self) -> None:
        """Begin an epoch, in scikit-learn's next order of rows."""
        super().next()
        estimator = self._estimator
        if not estimator.shuffle:
            return
        by = np.arange(self._count)
        estimator._random_state.shuffle(by)
        before = estimator._order
        order = by if before is None or len(before) != len(by) else before[by]
        estimator._order = order
        rows = order if self._from is None else self._from[order]
        if isinstance(self.batches, Batches):
            self.batches.rows = rows
        else:
            assert self.samples is not None
            self.samples = self.samples._replace(rows=rows)

    def epoch(self, number: int) -> Epoch:
        """Train for one epoch; note if a step has been made."""
        before = self.plan.optimizer._steps
        try:
            return super().epoch(number)
        finally:
            self._attempt.stands |= self.plan.optimizer._steps > before

    def measure(self) -> dict[str, float]:
        found, self._figures = self._figures, None
        return self._evaluated() if found is None else found

    def _evaluated(self) -> dict[str, float]:
        """Return the validation's figures, or say what is wrong with data that were changed."""
        if self._parts is None:
            try:
                return super().measure()
            except FloatingPointError as e:
                where = str(e).removeprefix("validation x")
                if e is not self.failure or where == str(e):
                    raise
                self.failure = ValueError(f"X_val{where}")  # as scikit-learn raises
                raise self.failure from None
        loss, right = self._parts.evaluate(self.checker)
        accuracy = {"val_accuracy": right / self._parts.n} if self.plan.classifier else {}
        return {"val_loss": loss} | accuracy

    def end(self, epoch: Epoch) -> bool:
        """Keep scikit-learn's books of the epoch, and ours; return whether to stop."""
        begun, estimator = time.perf_counter(), self._estimator
        failed = bool(epoch.failed)
        if epoch.invalid is not None or (failed and self.bad_inputs() is not None):
            super().end(epoch)  # which raises
        if not failed:
            epoch.loss = self._goal.shown(epoch.loss, epoch.penalty)
        elif not estimator.early_stopping:
            raise ValueError(_FAILED)
        else:
            self.network.parameters[:] = self.good
            self.plan.optimizer._forget()
            epoch.loss = math.nan
        if not failed:
            self._figures = self._evaluated()  # before the books, which the epoch is part of then
        estimator.n_iter_ += 1
        estimator.t_ += epoch.rows  # fewer than all where max_time or a callback cut the epoch
        estimator.loss_ = epoch.loss
        estimator.loss_curve_.append(epoch.loss)
        if estimator.verbose:
            print(f"Iteration {estimator.n_iter_}, loss = {epoch.loss:.8f}")
        self._judge(math.nan if failed else None)
        optimizer: Any = self.plan.optimizer
        if failed:
            warnings.warn(
                f"Training ended at iteration {estimator.n_iter_}, whose loss was not finite.",
                ConvergenceWarning,
                stacklevel=2,
            )
            return True
        optimizer.iteration_ends(estimator.t_)
        stop = self._stops(optimizer)
        self.began += time.perf_counter() - begun  # the history tells of the training alone
        stop |= super().end(epoch)
        last = estimator.n_iter_ == self.plan.epochs and not self.incremental
        if last and not stop:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.plan.epochs}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return stop

    def bad_inputs(self) -> str | None:
        if not isinstance(self.batches, Batches):
            return _in_x(super().bad_inputs())
        found = self.batches.not_finite()
        return None if found is None else f"X: expected finite numbers, found {found}"

    def _failure_of(self, epoch: Epoch) -> FloatingPointError | ValueError:
        self.failure = ValueError(str(super()._failure_of(epoch)))  # as scikit-learn raises
        return self.failure

    def _judge(self, score: float | None) -> None:
        """Count the epochs that brought no improvement, of the validation score or the loss."""
        e = self._estimator
        if self._held_out is not None:
            if score is None:
                score = e._held_out_score(*self._held_out)
            e.validation_scores_.append(score)
            if e.verbose:
                print(f"Validation score: {score:f}")
        if e.early_stopping:
            worse = score < e.best_validation_score_ + e.tol
            if score > e.best_validation_score_:
                e.best_validation_score_ = score
                self.best = self.network.parameters.copy()
        else:
            worse = e.loss_ > e.best_loss_ - e.tol
            e.best_loss_ = min(e.best_loss_, e.loss_)
        e._no_improvement_count = e._no_improvement_count + 1 if worse else 0

    def _stops(self, optimizer: Any) -> bool:
        e = self._estimator
        if e._no_improvement_count <= e.n_iter_no_change:
            return False
        what = "Validation score" if e.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={e.tol:f} for {e.n_iter_no_change} "
            "consecutive epochs."
        )
        stop: bool = optimizer.trigger_stopping(message, e.verbose)
        if not stop:
            e._no_improvement_count = 0
        return stop


class Whole(Run):
    """A run of fit by L-BFGS, whose epochs are iterations."""

    def __init__(
        self, estimator: Any, attempt: "Attempt", samples: Samples, goal: Goal, plan: Plan
    ) -> None:
        plan.samples = samples
        super().__init__(estimator.network_, plan)
        self._estimator, self._attempt, self._goal = estimator, attempt, goal

    def shown(self, loss: float) -> float:
        """Return scikit-learn's figure of the loss at the present weights."""
        if self._goal.share == 1.0:
            return loss
        squares = sum(float(np.vdot(w, w)) for w in self.network.weights)
        return self._goal.shown(loss, self.plan.limits[2] / 2 * squares)

    def bad_inputs(self) -> str | None:
        return _in_x(super().bad_inputs())

    def end(self, epoch: Epoch) -> bool:
        """Keep the books of an iteration."""
        self._attempt.stands = True
        epoch.loss = self.shown(epoch.loss)
        self._estimator.n_iter_, self._estimator.loss_ = epoch.number, epoch.loss
        return super().end(epoch)


def by_lbfgs(
    estimator: Any, attempt: "Attempt", problem: Problem, goal: Goal, callbacks: list[Any]
) -> "History":
    """Train by L-BFGS on all rows at once."""
    network: Network = estimator.network_
    optimizer = LBFGS(
        history_size=10,  # SciPy's default, which scikit-learn leaves
        tolerance_grad=float(estimator.tol),
        tolerance_change=2.220446049250313e-09,  # likewise
        max_eval=int(estimator.max_fun),
    )
    rows = problem.rows if problem.weights is None else float(problem.weights.sum())
    penalty = float(estimator.alpha) / rows
    plan = goal.plan(
        estimator, network,
        epochs=int(estimator.max_iter), batch_size=problem.rows, optimizer=optimizer,
        limits=(0.0, 0.0, penalty), classifier=False, callbacks=callbacks,
    )  # fmt: skip
    estimator.n_iter_ = 0
    run = Whole(estimator, attempt, Samples(*problem), goal, plan)
    full_batch.check(plan)
    try:
        history = carry_out(run, None)
    except FloatingPointError as e:
        if not str(e).startswith("X: "):
            raise
        raise ValueError(str(e)) from None  # as scikit-learn raises
    end = optimizer._end
    if end is None:  # a callback was against it from the beginning
        return history
    estimator.loss_ = run.shown(float(end.fun))
    if not finite(network.parameters) or not math.isfinite(estimator.loss_):
        raise ValueError(_FAILED)
    if not optimizer.converged and end.status != _STOPPED:
        more = ""
        if estimator.n_iter_ == estimator.max_iter:
            more = (
                "\nIncrease the number of iterations to improve the convergence "
                f"(max_iter={estimator.max_iter})."
            )
        warnings.warn(
            f"lbfgs failed to converge after {estimator.n_iter_} iteration(s) "
            f"(status={end.status}):\n{optimizer.message}\n{more}\nYou might also want to scale "
            "the data.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return history


_STOPPED = 99  # SciPy's status of a run that a callback ended

"""What an estimator keeps from one call of `fit` to the next, and gets back if one is refused."""

import hashlib
from types import TracebackType
from typing import Any, Self

import numpy as np

from . import _optimizers

_BOOKS = ("loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_")


class Attempt:
    """A call of `fit` or `partial_fit`: an error before its first step leaves all as it was."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator
        self.stands = False  # a step has been made

    def __enter__(self) -> Self:
        mine = vars(self._estimator)
        self._kept = dict(mine)
        self._network = mine.get("network_")
        self._epochs = 0 if self._network is None else self._network._generator.epochs
        self._history = None if self._network is None else self._network._history
        # all that it holds is replaced, and nothing written into, before a step is made
        self._optimizer = _optimizers.of(mine)
        self._settings = {} if self._optimizer is None else dict(vars(self._optimizer))
        drawn = [mine.get("random_state"), mine.get("_random_state")]
        self._random = [
            (r, r.get_state())
            for r in drawn
            if isinstance(r, np.random.RandomState) and r is not np.random.mtrand._rand
        ]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None or self.stands:
            return
        mine = vars(self._estimator)
        # scikit-learn's callbacks are torn down by what lies around this
        for name in [k for k in mine if k not in self._kept and "callback" not in k]:
            del mine[name]
        mine.update(self._kept)
        if self._network is not None:
            self._network._generator.epochs, self._network._history = self._epochs, self._history
        if self._optimizer is not None:
            vars(self._optimizer).clear()
            vars(self._optimizer).update(self._settings)
        for random_state, state in self._random:
            random_state.set_state(state)


def begin(estimator: Any) -> None:
    """Begin the books anew, as scikit-learn does."""
    mine = vars(estimator)
    for name in _BOOKS:
        mine.pop(name, None)
    mine["n_iter_"] = mine["t_"] = mine["_no_improvement_count"] = 0
    mine.pop("_best_of", None)
    if estimator.solver != "lbfgs":
        mine.update(dict.fromkeys(_BOOKS), loss_curve_=[])


def go_on(estimator: Any, held_out: Any) -> None:
    """Begin those that an earlier call, with other settings or validation data, hasn't kept."""
    mine = vars(estimator)
    for name in _BOOKS:
        mine.setdefault(name, None)
    if mine["loss_curve_"] is None:
        mine["loss_curve_"] = []
    if held_out is not None and mine["validation_scores_"] is None:
        mine["validation_scores_"] = []
    by, worst = ("best_loss_", np.inf)
    if estimator.early_stopping:
        by, worst = ("best_validation_score_", -np.inf)
    # the best of another loss, or on other data, would never be reached or never be left
    best_of = _best_of(estimator, held_out)
    if mine[by] is None or mine.get("_best_of") != best_of:
        mine[by], mine["_no_improvement_count"] = worst, 0
    mine["_best_of"] = best_of


def _best_of(estimator: Any, held_out: Any) -> str:
    """Return what the best loss or score so far can be compared with, as a text."""
    network = estimator.network_
    parts = [estimator.loss, *network.activation, network.output]
    if estimator.early_stopping:
        parts.append(f"score {_digest(estimator, *held_out)}")
    return " ".join(parts)


def _digest(estimator: Any, x: Any, y: Any, weights: Any) -> str:
    if hasattr(x, "toarray"):
        x = x.tocsr()
        inputs = [x.data, x.indices, x.indptr]
    else:
        inputs = [x]
    found = hashlib.sha256()
    for a in (*inputs, *estimator._encoded(y, estimator.network_.dtype), weights):
        if a is None:
            found.update(b"none")
            continue
        found.update(f"{a.dtype.str} {a.shape} ".encode())
        found.update(np.ascontiguousarray(a).data)
    return found.hexdigest()

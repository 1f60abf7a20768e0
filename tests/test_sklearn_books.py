"""What the scikit-learn pair notes of an epoch."""

import time

import numpy as np
import pytest

from pair import SMALL, X, Y

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from featherweight.sklearn import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Cutting:
    """A callback that ends the second epoch after its third batch."""

    def on_batch_end(self, state):
        return state.epoch == 2 and state.batch == 3


class Slow:
    """A callback by which an epoch takes longer than the time there is."""

    def on_batch_begin(self, state):
        time.sleep(0.05)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("how", ["time", "callback"])
def test_only_rows_that_were_trained_on_count(how, sparse, monkeypatch):
    x = pytest.importorskip("scipy.sparse").csr_matrix(X) if sparse else X
    if sparse:
        monkeypatch.setattr("featherweight.sklearn._data.DENSE", 0)
    settings = {"callbacks": Cutting()}
    if how == "time":
        settings = {"callbacks": Slow(), "max_time": 0.12}
    a = MLPClassifier(**SMALL, max_iter=4, **settings).fit(x, Y)
    steps = a._optimizer._steps
    assert steps == 5 + 3 if how == "callback" else 1 <= steps < 5
    assert a.t_ == 150 * (steps // 5) + 32 * (steps % 5)


def test_rows_that_weigh_nothing_count():
    weights = np.ones(150)
    weights[:64] = 0
    a = MLPClassifier(**SMALL, max_iter=2, shuffle=False).fit(X, Y, sample_weight=weights)
    assert a.t_ == 300


def test_the_history_tells_of_the_training_alone():
    class Slow(MLPClassifier):
        def _held_out_score(self, x, y, weights):
            time.sleep(0.3)
            return super()._held_out_score(x, y, weights)

    a = Slow(**SMALL, max_iter=2, early_stopping=True).fit(X, Y)
    assert len(a.history_.seconds) == 2
    assert max(a.history_.seconds) < 0.3

"""The scikit-learn pair goes on where it stopped, with new settings too."""

import copy
import pickle

import numpy as np
import pytest

from pair import SMALL, X, Y, assert_same, held_out_by

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import featherweight as fw
from featherweight.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


WAYS = {
    "adam": {},
    "sgd": {"solver": "sgd"},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling"},
    "dropout": {"dropout": 0.3, "input_dropout": 0.1},
    "schedule": {"schedule": fw.schedules.ExponentialLR(0.9)},
    "plateau": {"schedule": fw.schedules.ReduceLROnPlateau("max", 0.5, patience=1)},
    "weight decay": {"weight_decay": 0.01},
    "RandomState": {},
}
# Of these a warm start goes on from the best weights, or with a new SciPy run: see docs/sklearn.md
NOT_WHOLE = {"early stopping": {"early_stopping": True}, "lbfgs": {"solver": "lbfgs"}}


def made(way, max_iter, **settings):
    """A model, not fitted."""
    settings |= WAYS.get(way) or NOT_WHOLE.get(way, {})
    if way == "RandomState":
        settings["random_state"] = np.random.RandomState(5)
    return MLPClassifier(**SMALL | settings, max_iter=max_iter)


def left(a, how, path):
    """The estimator after something has come between."""
    if how == "pickle":
        return pickle.loads(pickle.dumps(a))
    if how == "deepcopy":
        return copy.deepcopy(a)
    if how == "saved":
        a.save(path / "a.safetensors")
        return MLPClassifier.load(path / "a.safetensors")
    return a


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", ["warm start", "partial_fit", "pickle", "deepcopy", "saved"])
def test_training_goes_on_as_if_never_stopped(way, how, tmp_path):
    whole = made(way, 6).fit(X, Y)
    parts = made(way, 3, warm_start=True)
    if how == "partial_fit":
        for _ in range(6):
            parts.partial_fit(X, Y, classes=[0, 1, 2])
    else:
        parts.fit(X, Y)
        parts = left(parts, how, tmp_path)
        parts.fit(X, Y)
    assert_same(whole, parts)
    assert whole.loss_curve_ == parts.loss_curve_
    assert whole.t_ == parts.t_


@pytest.mark.parametrize("way", NOT_WHOLE)
@pytest.mark.parametrize("how", ["pickle", "deepcopy", "saved"])
def test_what_is_kept_goes_on_as_what_never_left(way, how, tmp_path):
    a = made(way, 3, warm_start=True).fit(X, Y)
    b = left(a, how, tmp_path)
    assert_same(a.fit(X, Y), b.fit(X, Y))
    assert a.loss_ == b.loss_


@pytest.mark.parametrize("how", ["warm start", "pickle", "saved"])
def test_the_same_rows_are_held_out_after_a_warm_start(how, tmp_path):
    looking, seen = held_out_by(MLPClassifier)
    a = looking(**SMALL, max_iter=1, warm_start=True, early_stopping=True).fit(X, Y)
    if how == "pickle":
        state = pickle.loads(pickle.dumps(a.__getstate__()))
        a = looking()
        a.__setstate__(state)
    elif how == "saved":
        a.save(tmp_path / "a.safetensors")
        a = looking.load(tmp_path / "a.safetensors")
    a.fit(X, Y)
    np.testing.assert_array_equal(seen[0], seen[1])


# ---- with new settings
def test_a_warm_start_takes_new_settings():
    a = MLPClassifier(**SMALL, max_iter=2, warm_start=True, solver="sgd").fit(X, Y)
    a.set_params(learning_rate_init=0.5, momentum=0.0).fit(X, Y)
    assert a._optimizer.learning_rate == 0.5
    a.set_params(solver="adam").fit(X, Y)
    assert type(a._optimizer).__name__ == "SteppedAdam"
    before = a.coefs_[0].copy()
    a.set_params(weight_decay=50.0, learning_rate_init=0.01, alpha=0.0).fit(X, Y)
    assert np.abs(a.coefs_[0]).sum() < 0.05 * np.abs(before).sum()
    assert a._optimizer._steps == 2 * 5  # AdamW is another one, and begins anew
    a.set_params(weight_decay=0.0).fit(X, Y)
    assert a._optimizer._kernel()[0] == "adam"


def test_a_new_rate_keeps_the_velocity():
    """scikit-learn's is the rate times ours: momentum carries on at the speed it had."""
    settings = SMALL | dict(solver="sgd", batch_size=150, nesterovs_momentum=False)
    a = MLPClassifier(**settings, max_iter=1, warm_start=True).fit(X, Y)
    before, slots = a.network_.parameters.copy(), a._optimizer._slots.copy()
    a.set_params(learning_rate_init=1e-30).fit(X, Y)
    np.testing.assert_allclose(
        a.network_.parameters - before, -0.9 * 0.001 * slots[0], rtol=1e-6, atol=1e-15
    )


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_new_activations_hold(solver):
    still = {"learning_rate_init": 1e-30} if solver == "adam" else {}
    a = MLPClassifier(**SMALL, solver=solver, max_iter=2, warm_start=True).fit(X, Y)
    before, steps = a.network_.parameters.copy(), getattr(a, "_optimizer", None)
    steps = steps and steps._steps
    a.set_params(activation="tanh", output_activation="logistic", **still).fit(X, Y)
    assert a.network_.activation == ("tanh", "tanh")
    assert a.out_activation_ == "logistic"
    if solver == "adam":
        np.testing.assert_allclose(a.network_.parameters, before, atol=1e-20)
        assert a._optimizer._steps == 2 * steps  # its moments have come along
    hidden = X
    for w, b in zip(a.coefs_[:-1], a.intercepts_[:-1], strict=True):
        hidden = np.tanh(hidden @ w + b)
    outputs = 1 / (1 + np.exp(-(hidden @ a.coefs_[-1] + a.intercepts_[-1])))
    found = outputs / outputs.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(a.predict_proba(X), found, rtol=1e-9)


def test_a_new_loss_holds():
    y = np.abs(X[:, 0])
    a = MLPRegressor(**SMALL, max_iter=2, warm_start=True).fit(X, y)
    a.set_params(loss="poisson").fit(X, y)
    assert a.out_activation_ == a.network_.output == "exp"
    assert (a.predict(X) > 0).all()


def test_the_best_of_one_loss_is_not_that_of_another(tmp_path):
    y = np.abs(X[:, 0]) * 1e-3
    settings = SMALL | dict(n_iter_no_change=2, tol=0.0, warm_start=True, learning_rate_init=1e-4)
    a = MLPRegressor(**settings, max_iter=100).fit(X, y)
    a.best_loss_ = -9.0  # never to be reached
    a.save(tmp_path / "a.safetensors")
    b = MLPRegressor.load(tmp_path / "a.safetensors").set_params(loss="poisson").fit(X, y)
    assert a.fit(X, y).n_iter_ <= 3
    assert a.best_loss_ == -9.0
    a.set_params(loss="poisson").fit(X, y)
    for other in (a, b):
        assert other.n_iter_ > 3
        assert other.best_loss_ == min(other.loss_curve_[-other.n_iter_ :])


STEPS = {"solver": "adam", "early_stopping": False}
CHANGES = {
    "early stopping, then none": ({"early_stopping": True}, STEPS),
    "none, then early stopping": ({}, {"early_stopping": True}),
    "lbfgs, then adam": ({"solver": "lbfgs"}, STEPS),
    "adam, then lbfgs, then adam": ({}, {"solver": "lbfgs"}, STEPS),
}


@pytest.mark.parametrize("incremental", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_books_are_begun_that_were_not_kept(change, incremental):
    first, *later = CHANGES[change]
    a = MLPClassifier(**SMALL, max_iter=3, warm_start=True, **first).fit(X, Y)
    before = len(getattr(a, "loss_curve_", []))
    for settings in later:
        a.set_params(**settings)
        one = incremental and settings is STEPS
        a.partial_fit(X, Y) if one else a.fit(X, Y)
    if a.solver == "adam":
        assert len(a.loss_curve_) == before + (1 if one else 3)
    if a.early_stopping:
        assert a.best_validation_score_ == max(a.validation_scores_)
    else:
        assert a.best_loss_ <= a.loss_


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"hidden_layer_sizes": (3, 6)},
            r"hidden_layer_sizes: expected \[8, 6\] to go on, as before, found \[3, 6\]",
        ),
        (
            {"output_activation": "softmax"},
            "y, output_activation: expected 1 output to go on, as before, found 2",
        ),
    ],
)
def test_a_network_of_another_shape_does_not_go_on(settings, message):
    a = MLPClassifier(**SMALL, max_iter=1, warm_start=True).fit(X, Y > 0)
    with pytest.raises(ValueError, match=message):
        a.set_params(**settings).fit(X, Y > 0)
    with pytest.raises(ValueError, match="y: expected binary targets, as before"):
        a.fit(X, (X[:, :3] > 0).astype(int) == 1)


def test_a_schedule_belongs_to_one_estimator():
    given = fw.schedules.ReduceLROnPlateau("max", 0.5, patience=0)
    for _ in range(2):
        a = MLPClassifier(**SMALL, max_iter=4, schedule=given).fit(X, Y)
        assert a.history_.lr == pytest.approx([1e-3, 1e-3, 5e-4, 2.5e-4])
    assert given._reductions == 0

"""The scikit-learn pair saved and loaded."""

import contextlib
import copy
import json
import random

import numpy as np
import pytest

from pair import SMALL, X, Y

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.base import clone

import featherweight as fw
from featherweight.exchange import safetensors as files
from featherweight.sklearn import MLPClassifier, MLPRegressor, _records

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


LETTERS = np.array(list("abc"))[Y]


@pytest.mark.parametrize("kind", ["str", "object", "multilabel", "regressor", "names"])
def test_saved_is_what_is_loaded(kind, tmp_path):
    path, x = tmp_path / "a.safetensors", X.astype(np.float32)
    y = {"multilabel": X[:, :3] > 0, "regressor": X[:, 0]}.get(kind, np.array(["c", "a", "b"])[Y])
    make = MLPRegressor if kind == "regressor" else MLPClassifier
    a = make(**SMALL, max_iter=3, verbose=False)
    if kind == "names":
        x = pytest.importorskip("pandas").DataFrame(x, columns=list("abcde"))
    a.fit(x, y.astype(object) if kind == "object" else y)
    a.save(path)
    b = make.load(path)
    np.testing.assert_array_equal(a.predict(x), b.predict(x))
    for name in ("loss_curve_", "n_iter_", "out_activation_", "n_features_in_", "best_loss_"):
        assert getattr(a, name) == getattr(b, name)
    assert a.history_.to_dict() == b.history_.to_dict()
    assert len(b.history_.loss) == 3
    assert {k: v for k, v in b.get_params().items() if k != "callbacks"} == {
        k: v for k, v in a.get_params().items() if k != "callbacks"
    }
    if hasattr(a, "classes_"):
        assert a.classes_.dtype == b.classes_.dtype
    np.testing.assert_array_equal(fw.load(path).parameters, a.network_.parameters)
    assert clone(b).fit(x, y).loss_curve_ == a.loss_curve_


def saved(a, path):
    """The estimator that comes back from a file."""
    a.save(path / "a.safetensors")
    return type(a).load(path / "a.safetensors")


SETTINGS = {
    "class_weight": [{0: 1.0, 1: 2.0}, {0: 1, np.int64(1): 3}],
    "hidden_layer_sizes": [np.int64(8), 6],
    "activation": ("tanh", "relu"),
    "dropout": np.array([0.1, 0.2]),
    "schedule": fw.schedules.SequentialLR(
        [fw.schedules.LinearLR(), fw.schedules.CosineAnnealingLR(9)], [5]
    ),
    "n_iter_no_change": np.inf,
    "max_time": np.float32(60),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_any_kind_come_back(name, tmp_path):
    y = (X[:, :2] > 0).astype(int)
    a = MLPClassifier(**SMALL | {name: SETTINGS[name]}, max_iter=2).fit(X, y)
    b = saved(a, tmp_path)
    given, found = SETTINGS[name], getattr(b, name)
    if name == "dropout":
        given = given.tolist()
    assert repr(found) == repr(given) if name == "schedule" else found == given
    np.testing.assert_array_equal(b.fit(X, y).coefs_[0], a.coefs_[0])


def test_every_schedule_of_ours_comes_back():
    s = fw.schedules
    made = [
        s.ConstantLR(0.5), s.LinearLR(), s.StepLR(2, by="step"), s.ExponentialLR(0.9),
        s.InverseScalingLR(0.3), s.CosineAnnealingLR(5), s.CosineAnnealingWarmRestarts(2),
        s.OneCycleLR(0.1, 6, three_phase=True), s.ReduceLROnPlateau(monitor="loss"),
        s.SequentialLR([s.LinearLR(), s.StepLR(2)], [3]),
    ]  # fmt: skip
    assert {type(m).__name__ for m in made} == set(s.__all__) - {"Schedule", "LambdaLR"}
    for schedule in made:
        kept = json.loads(json.dumps(_records.encoded("schedule", schedule)))
        assert repr(_records.decoded(kept)) == repr(schedule)


def test_a_random_state_is_one_with_the_generator_that_draws(tmp_path):
    settings = SMALL | dict(random_state=np.random.RandomState(4), max_iter=2)
    a = MLPClassifier(**settings).fit(X, Y)
    b = saved(a, tmp_path)
    assert b._random_state is b.random_state
    for _ in range(2):
        np.testing.assert_array_equal(a.fit(X, Y).coefs_[0], b.fit(X, Y).coefs_[0])


def test_sparse_labels_come_out_sparse(tmp_path):
    sparse = pytest.importorskip("scipy.sparse")
    a = MLPClassifier(**SMALL, max_iter=2).fit(X, sparse.csr_matrix((X[:, :3] > 0).astype(int)))
    found = saved(a, tmp_path).predict(X)
    assert sparse.issparse(found)
    assert (found != a.predict(X)).nnz == 0


def test_threads(tmp_path):
    a = MLPClassifier(**SMALL, max_iter=1, threads=3).fit(X, Y)
    assert a.network_.threads == 3
    assert saved(a, tmp_path).network_.threads == 3
    a.set_params(threads=1)
    assert a.network_.threads == 1
    b = MLPClassifier.load(tmp_path / "a.safetensors", threads=2)
    assert b.network_.threads == b.fit(X, Y).network_.threads == b.threads == 2
    with pytest.raises(ValueError, match="threads: expected 1 to 1024, found 0"):
        a.set_params(threads=0)
    assert a.threads == 1
    a.threads = 2  # not by set_params: from the next call of fit on
    assert a.set_params(warm_start=True).fit(X, Y).network_.threads == 2
    with pytest.raises(ValueError, match="threads: expected 1 to 1024, found 0"):
        MLPClassifier.load(tmp_path / "a.safetensors", threads=0)


def test_settings_changed_before_saving_hold_after_loading(tmp_path):
    for settings in ({"learning_rate_init": 0.3}, {"solver": "adam"}, {"momentum": 0.0}):
        a = MLPClassifier(**SMALL, solver="sgd", max_iter=2, warm_start=True).fit(X, Y)
        a.set_params(**settings)
        b = saved(a, tmp_path)
        np.testing.assert_array_equal(a.fit(X, Y).coefs_[0], b.fit(X, Y).coefs_[0])


def test_what_can_not_be_saved_or_loaded(tmp_path):
    path = tmp_path / "a.safetensors"
    a = MLPClassifier(**SMALL, max_iter=1, schedule=lambda epoch: 1.0).fit(X, Y)
    with pytest.raises(TypeError, match="schedule: expected numbers, strings, a schedule of ours"):
        a.save(path)
    a.network_.save(path)
    with pytest.raises(ValueError, match="expected a saved MLPClassifier, found another file"):
        MLPClassifier.load(path)
    a.set_params(schedule=None).save(path)
    with pytest.raises(ValueError, match="expected a saved MLPRegressor, found MLPClassifier"):
        MLPRegressor.load(path)


# ---- damaged files
def history_with(**lists):
    """A history of two epochs as a record has it, some of its lists others."""
    found = {name: [] for name in fw.History().names} | {"epoch": [1, 2]} | lists
    return _records.encoded("history_", found)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A file's path, tensors and header, with all that a record may have in it."""
    path = tmp_path_factory.mktemp("whole") / "a.safetensors"
    settings = SMALL | dict(warm_start=True, early_stopping=True, max_iter=2)
    schedule = fw.schedules.ReduceLROnPlateau()
    MLPClassifier(**settings, schedule=schedule).fit(X, LETTERS).save(path)
    return path, *files.read(str(path))[1:]


def refused(path, tensors, header):
    """Whether such a file is refused in a sentence of ours; else it has to be usable."""
    files.write(path, tensors, header)
    message = None
    try:
        a = MLPClassifier.load(path)
    except ValueError as e:
        message = str(e)
    if message is not None:
        assert message.startswith(f"{path}: ")
        assert "expected" in message
        return True
    a.predict(X)
    with contextlib.suppress(ValueError):  # of other settings or classes
        a.fit(X, LETTERS)
    return False


def changes(record):
    """Copies of a record in which one part, on any level, is missing or another."""
    parts = list(record.items() if isinstance(record, dict) else enumerate(record))
    for key, value in parts:
        if isinstance(record, dict):
            yield f"no {key}", {k: v for k, v in parts if k != key}
        for other in (None, -1, 2.5, "x", [], {}, [1, 2], True):
            if other != value:
                made = copy.copy(record)
                made[key] = other
                yield f"{key}: {other!r}", made
        if isinstance(value, (dict, list)) and len(value) < 50:
            for what, part in changes(value):
                made = copy.copy(record)
                made[key] = part
                yield f"{key}, {what}", made


def test_a_damaged_record_is_refused_or_of_use(whole, tmp_path):
    _, tensors, header = whole
    path, count = tmp_path / "b.safetensors", 0
    assert not refused(path, tensors, header)
    for what, record in changes(header["estimator"]):
        try:
            count += refused(path, tensors, header | {"estimator": record})
        except Exception as e:
            raise AssertionError(what) from e
    assert count > 400


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": {"evil": 1}}, r"damaged \(ValueError: parameters \['evil'\]\)"),
        ({"fitted": {"predict": "x"}}, r"damaged \(KeyError: 'predict'\)"),
        ({"fitted": {"coefs_": [1]}}, r"damaged \(KeyError: 'coefs_'\)"),
        (
            {"classes": [["a", "b"], "<U1", "binary", False]},
            "expected binary classes for 3 outputs",
        ),
        ({"classes": [list("cba"), "<U1", "multiclass", False]}, "expected classes in their order"),
        (
            {"classes": [list("abc"), "<U1", "binary", False]},
            "expected multiclass classes, found bin",
        ),
        (
            {"version": 9},
            "expected estimators' version 1, found 9: a newer featherweight may read it",
        ),
        ({"version": True}, "expected estimators' version 1, found True"),
        ({"optimizer": {"steps": 10**25}}, "steps: expected 0 to 9007199254740991, found 1000"),
        ({"optimizer": {"epochs": 10**25}}, "epochs: expected 0 to 9007199254740991, found 1000"),
        ({"seed": ["1", 10**25]}, "epochs: expected 0 to 9007199254740991, found 1000"),
        ({"fitted": {"t_": 10**25}}, "expected t_ of 0 to 9007199254740991, found 1000"),
        ({"fitted": {"history_": {"dict": [["loss", [1.0]]]}}}, "expected a history of epoch, lo"),
        ({"fitted": {"history_": history_with(loss=[1.0])}}, "expected 2 numbers of loss, found 1"),
        ({"fitted": {"history_": history_with(lr=["a", 1])}}, "expected numbers of lr, found"),
        ({"fitted": {"history_": history_with(epoch=[2, 3])}}, "expected epochs 1 to 2, found"),
        ({"random": [[1, 2], 3, 0, 0.0]}, "damaged"),
    ],
)
def test_what_does_not_fit_is_refused(change, message, whole, tmp_path):
    _, tensors, header = whole
    record = dict(header["estimator"])
    for key, value in change.items():
        record[key] = record[key] | value if isinstance(value, dict) else value
    path = tmp_path / "b.safetensors"
    files.write(path, tensors, header | {"estimator": record})
    with pytest.raises(ValueError, match=message):
        MLPClassifier.load(path)


@pytest.mark.parametrize("name", ["order", "optimizer.slots", "optimizer.memo", "weights.0"])
def test_damaged_tensors_are_refused(name, whole, tmp_path):
    _, tensors, header = whole
    path = tmp_path / "b.safetensors"
    others = [None, tensors[name][:-1], tensors[name].astype(str).astype("S4").view(np.uint8)]
    if name == "order":
        others = [tensors[name] + 1, tensors[name] * 0, tensors[name].astype(float)]
    for other in others:
        changed = {k: v for k, v in tensors.items() if k != name}
        if other is not None:
            changed[name] = np.ascontiguousarray(other)
        assert refused(path, changed, header)


def test_flipped_bits_and_cut_files_are_refused_or_of_use(whole, tmp_path):
    content = whole[0].read_bytes()
    path, draw = tmp_path / "b.safetensors", random.Random(0)
    head = content.index(b"weights.0")
    for _ in range(150):
        changed = bytearray(content)
        for _ in range(2):
            changed[draw.randrange(head)] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        with contextlib.suppress(ValueError):
            MLPClassifier.load(path).predict(X)
    for length in (0, 4, 8, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="expected"):
            MLPClassifier.load(path)

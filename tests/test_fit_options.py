"""What fit takes beside data: validation, metrics, callbacks, time; iterables."""

import csv

import numpy as np
import pytest

import compare
import featherweight as fw
from runs import RUNS, _runs  # noqa: F401 - a fixture, which pytest finds by its name here


def problem(dtype=np.float32, rows=300, **options):
    rng = np.random.Generator(np.random.Philox(3))
    x = rng.normal(size=(rows, 20)).astype(dtype)
    labels = (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 1.2)
    return fw.Network([20, 16, 3], dtype=dtype, rng=1, **options), x, labels


# ---- validation
def test_a_split_is_stratified_and_drawn():
    net, x, labels = problem()
    kept = []

    class Watch:
        def on_train_begin(self, state):
            run = RUNS[-1]
            kept.append((run.samples.rows, run.validation.rows))

    net.fit(x, labels, validation_split=0.2, callbacks=Watch())
    problem()[0].fit(x, labels, validation_split=0.2, callbacks=Watch())
    problem()[0].fit(x, labels, validation_split=0.2, callbacks=Watch(), rng=9)
    train, valid = kept[0]
    assert sorted([*train, *valid]) == list(range(300))
    assert len(valid) == 60
    counts = np.bincount(labels)
    assert np.all(np.abs(np.bincount(labels[valid]) - 0.2 * counts) < 1)
    assert np.array_equal(kept[1][1], valid)
    assert not np.array_equal(kept[2][1], valid)


def test_a_split_trains_as_its_rows_alone(isa, dtype):
    net, x, labels = problem(dtype, isa=isa)
    rows = []
    history = net.fit(
        x, labels, epochs=2, validation_split=0.3, rng=4, dropout=0.3,
        callbacks=lambda state: rows.append((RUNS[-1].samples.rows, RUNS[-1].validation.rows)),
    )  # fmt: skip
    train, valid = rows[0]
    twin, _, _ = problem(dtype, isa=isa)
    other = twin.fit(
        x[train], labels[train], epochs=2, rng=4, dropout=0.3,
        validation_data=(x[valid], labels[valid]),
    )  # fmt: skip
    compare.assert_same_bits(net.parameters, twin.parameters)
    assert history.val_loss == other.val_loss
    assert history.val_accuracy == other.val_accuracy


def test_a_split_keeps_the_weights_of_its_rows():
    net, x, labels = problem(np.float64)
    rows, w = [], np.arange(300) % 7 + 0.5
    history = net.fit(
        x, labels, validation_split=0.3, sample_weight=w, optimizer=fw.SGD(0.0),
        callbacks=lambda state: rows.append(RUNS[-1].validation.rows),
    )  # fmt: skip
    valid = rows[0]
    expected = net.evaluate(x[valid], labels[valid], sample_weight=w[valid])[0]
    compare.assert_close(history.val_loss[0], expected, 1e-12)
    with pytest.raises(AssertionError):
        compare.assert_close(net.evaluate(x[valid], labels[valid])[0], expected, 1e-12)


def test_validation_weighs_outputs():
    net = fw.Network([20, 8, 2], output="identity", dtype=np.float64, rng=0)
    _, x, _ = problem(np.float64)
    history = net.fit(
        x, x[:, :2], output_weights=[3.0, 0.25], batch_size=300, validation_data=(x, x[:, :2]),
        optimizer=fw.SGD(0.0),
    )  # fmt: skip
    expected = np.mean((net(x) - x[:, :2]) ** 2 * [3.0, 0.25])
    compare.assert_close(history.loss[0], expected, 1e-12)
    compare.assert_close(history.val_loss[0], expected, 1e-12)
    assert history.val_loss[0] == net.evaluate(x, x[:, :2], output_weights=[3.0, 0.25])[0]


def test_weighted_validation():
    net, x, labels = problem(np.float64)
    w = np.arange(300) % 3 + 0.5
    history = net.fit(x, labels, validation_data=(x, labels, w))
    assert history.val_loss[-1] == net.evaluate(x, labels, sample_weight=w)[0]


def test_validation_weighs_outputs_as_training_does():
    """With nothing learned, one batch's loss is that of the same rows as validation data."""
    _, x, _ = problem(np.float64)
    net = fw.Network([20, 8, 2], output="identity", dtype=np.float64, rng=0)
    history = net.fit(
        x, x[:, :2], batch_size=300, optimizer=fw.SGD(0.0), output_weights=[0.25, 3.0],
        validation_data=(x, x[:, :2]),
    )  # fmt: skip
    compare.assert_close(history.val_loss, history.loss, 1e-12)
    plain = net.evaluate(x, x[:, :2])[0]
    with pytest.raises(AssertionError):
        compare.assert_close(history.val_loss, plain, 1e-12)


# ---- history and metrics
def test_metrics_and_history(tmp_path):
    net, x, labels = problem(np.float64)

    def wrong(y, predicted):
        return np.sum(y != predicted)

    history = net.fit(
        x, labels, epochs=3, validation_data=(x[:50], labels[:50]), optimizer=fw.SGD(0.5),
        metrics=["f1", wrong, fw.Metric(lambda y, p: p.sum(), "total", outputs=True)],
    )  # fmt: skip
    assert history["wrong"][-1] == np.sum(net.predict(x) != labels)
    assert history["val_wrong"][-1] == np.sum(net.predict(x[:50]) != labels[:50])
    compare.assert_close(history["total"][-1], 300, 1e-9)
    f1 = []
    for c in range(3):
        p = net.predict(x) == c
        f1.append(2 * np.sum(p & (labels == c)) / (np.sum(p) + np.sum(labels == c)))
    compare.assert_close(history["f1"][-1], np.mean(f1), 1e-12)
    assert history.lr == [0.5] * 3
    rows = np.multiply(history.images_per_second, history.seconds)
    compare.assert_close(rows, [300] * 3, 1e-6)
    history.to_csv(tmp_path / "history.csv")
    with open(tmp_path / "history.csv", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    assert [float(r["wrong"]) for r in rows] == history["wrong"]
    assert [int(r["epoch"]) for r in rows] == [1, 2, 3]
    with pytest.raises(ValueError, match="history: found 'los', did you mean 'loss'"):
        history["los"]


def test_pandas():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    net, x, labels = problem()
    frame = net.fit(x, labels, epochs=3).to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.index) == [1, 2, 3]


def test_regression_metrics():
    net = fw.Network([20, 8, 2], output="identity", dtype=np.float64, rng=0)
    _, x, _ = problem(np.float64)
    t = x[:, :2] * 2
    history = net.fit(x, t, epochs=2, metrics=["mse", "rmse", "mae", "r2"])
    y = net(x)
    compare.assert_close(history["mse"][-1], np.mean((y - t) ** 2), 1e-12)
    compare.assert_close(history["rmse"][-1], np.sqrt(np.mean((y - t) ** 2)), 1e-12)
    compare.assert_close(history["mae"][-1], np.mean(np.abs(y - t)), 1e-12)
    assert history["r2"][-1] == net.score(x, t)


def test_the_rate_of_a_schedule_is_noted():
    net, x, labels = problem()
    schedule = fw.schedules.ExponentialLR(0.5)
    history = net.fit(x, labels, epochs=3, optimizer=fw.SGD(0.8, schedule=schedule))
    assert history.lr == [0.8, 0.4, 0.2]


# ---- callbacks
class Batches:
    def __init__(self, stop_at=None):
        self.log, self.stop_at = [], stop_at

    def on_batch_begin(self, state):
        self.log.append(("begin", state.batch))

    def on_batch_end(self, state):
        assert np.isfinite(state.loss)
        state.network(np.zeros(20))  # which it may read
        self.log.append(("end", state.batch))
        return state.batch == self.stop_at


@pytest.mark.parametrize("threads", [1, 2])
def test_batch_callbacks(threads):
    net, x, labels = problem(threads=threads)
    plain, _, _ = problem(threads=threads)
    watch = Batches()
    net.fit(x, labels, batch_size=70, callbacks=watch)
    assert watch.log == [(w, b) for b in range(1, 6) for w in ("begin", "end")]
    plain.fit(x, labels, batch_size=70)
    compare.assert_same_bits(net.parameters, plain.parameters)


def test_a_batch_callback_stops():
    net, x, labels = problem()
    watch, optimizer = Batches(stop_at=3), fw.Adam()
    history = net.fit(x, labels, epochs=5, batch_size=70, callbacks=watch, optimizer=optimizer)
    assert watch.log[-1] == ("end", 3)
    assert history.epoch == [1]
    assert optimizer._steps == 3
    twin, _, _ = problem()
    twin.fit(x, labels, batch_size=70, callbacks=Batches(stop_at=3))
    compare.assert_same_bits(net.parameters, twin.parameters)


def test_early_stopping_keeps_the_best():
    net, x, labels = problem(rows=60)
    noise = np.random.Generator(np.random.Philox(1)).integers(0, 3, 60)
    kept, stopping = [], fw.EarlyStopping(patience=3)
    history = net.fit(
        x, labels, epochs=400, optimizer=fw.Adam(0.03), validation_data=(x, noise),
        callbacks=[stopping, lambda state: kept.append(net.parameters.copy())],
    )  # fmt: skip
    best = int(np.argmin(history.val_loss))
    assert stopping.best_epoch == best + 1
    assert len(history.epoch) == best + 1 + 4
    compare.assert_same_bits(net.parameters, kept[best])
    before = net.parameters.copy()
    for name in ("val_accuracy", "f1"):
        with pytest.raises(ValueError, match=f"monitor: found '{name}'.*'loss'"):
            net.fit(x, labels, callbacks=fw.EarlyStopping(name))
    compare.assert_same_bits(net.parameters, before)
    net.fit(x, labels, metrics="f1", callbacks=fw.EarlyStopping("f1"))


def test_max_time():
    net, x, labels = problem()
    history = net.fit(x, labels, epochs=10**7, max_time=0.2)
    assert 0 < len(history.epoch) < 10**7
    big = np.zeros((200_000, 20), np.float32)
    history = net.fit(big, np.zeros(200_000, np.int64), epochs=3, batch_size=1, max_time=0.05)
    assert history.epoch == [1]  # ended in its middle
    assert np.isfinite(history.loss[0])


# ---- batches from elsewhere
def test_an_iterable_of_batches(isa, dtype):
    net, x, labels = problem(dtype, isa=isa)
    twin, _, _ = problem(dtype, isa=isa)
    parts = [(x[i : i + 64], labels[i : i + 64]) for i in range(0, 300, 64)]
    schedule = fw.schedules.ExponentialLR(0.9, by="step")
    history = net.fit(
        parts, epochs=2, dropout=0.4, optimizer=fw.Adam(0.01, schedule=schedule), rng=2
    )
    other = twin.fit(
        x, labels, epochs=2, dropout=0.4, optimizer=fw.Adam(0.01, schedule=schedule),
        batch_size=64, shuffle=False, rng=2,
    )  # fmt: skip
    compare.assert_same_bits(net.parameters, twin.parameters)
    compare.assert_close(history.loss, other.loss, 1e-6)
    assert history.accuracy == other.accuracy
    assert history.lr == other.lr


def test_batches_of_any_size():
    net, x, labels = problem()
    parts = [(x[:1], labels[:1]), (x[:0], labels[:0]), (x[:200], labels[:200], np.ones(200))]
    history = net.fit(iter(parts), callbacks=Batches())
    assert len(history.epoch) == 1
    with pytest.raises(ValueError, match="an iterable that can be run through anew"):
        net.fit(iter(parts), epochs=2)
    nothing = "at least one row of a weight above 0 from the iterable, found none in epoch 1"
    for empty in ([], [(x[:0], labels[:0])], [(x[:9], labels[:9], np.zeros(9))]):
        with pytest.raises(ValueError, match=nothing):
            net.fit(empty)
    with pytest.raises(TypeError, match="metrics: expected a number from none, found None"):
        net.fit(x, labels, metrics=fw.Metric(lambda y, p: None, "none"))
    with pytest.raises(TypeError, match="found int as batch 1 of epoch 1"):
        net.fit([1, 2])
    with pytest.raises(TypeError, match="y: expected targets, found None"):
        net.fit(x)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_batch_of_weights_0_is_passed_over_wherever_it_comes_from(threads):
    """Also by the masks of those after it, and by what is counted."""
    net, x, labels = problem(threads=threads)
    twin, _, _ = problem(threads=threads)
    w = np.ones(300)
    w[:64] = w[128:192] = 0
    parts = [(x[i : i + 64], labels[i : i + 64], w[i : i + 64]) for i in range(0, 300, 64)]
    optimizers = [fw.Adam(), fw.Adam()]
    history = net.fit(parts, epochs=2, dropout=0.4, optimizer=optimizers[0], rng=2)
    other = twin.fit(
        x, labels, sample_weight=w, batch_size=64, shuffle=False, epochs=2, dropout=0.4,
        optimizer=optimizers[1], rng=2,
    )  # fmt: skip
    compare.assert_same_bits(net.parameters, twin.parameters)
    compare.assert_close(history.loss, other.loss, 1e-6)
    assert history.accuracy == other.accuracy
    assert optimizers[0]._steps == optimizers[1]._steps


@pytest.mark.parametrize("answer", [True, 1, "stop", [0], np.True_, np.array(True)], ids=repr)
def test_a_true_return_stops(answer):
    net, x, labels = problem()
    assert net.fit(x, labels, epochs=3, callbacks=lambda state: answer).epoch == [1]


@pytest.mark.parametrize("answer", [False, None, 0, "", [], np.False_, np.array(False)], ids=repr)
def test_another_does_not(answer):
    net, x, labels = problem()
    assert net.fit(x, labels, epochs=3, callbacks=lambda state: answer).epoch == [1, 2, 3]


def test_partial_fit_goes_on():
    net, x, labels = problem()
    twin, _, _ = problem()
    for _ in range(3):
        net.partial_fit(x, labels)
        assert net.partial_fit(x[:0], labels[:0]).epoch == []
    with pytest.raises(ValueError, match="y: expected shape"):
        net.partial_fit(x[:0], labels)
    optimizer = fw.Adam()
    twin.fit(x, labels, epochs=3, optimizer=optimizer)
    compare.assert_same_bits(net.parameters, twin.parameters)


class Later:
    """Batches whose rows have one label each in the first epochs, and in those after, several."""

    def __init__(self, x, epochs=2):
        self.x, self.epochs, self.begun = x, epochs, 0

    def __iter__(self):
        self.begun += 1
        yield self.x, np.eye(3) if self.begun <= self.epochs else np.ones((3, 3))


def late(**options):
    net = fw.Network([5, 3], output="sigmoid", rng=0)
    x = np.random.Generator(np.random.Philox(1)).normal(size=(3, 5)).astype(np.float32)
    if options.pop("validate", True):
        options["validation_data"] = (x, np.eye(3))
    return net, lambda **more: net.fit(Later(x), epochs=4, **options | more)


def test_several_labels_found_late_leave_the_history_whole(tmp_path):
    _, fit = late(metrics="accuracy")
    history = fit()
    assert history.accuracy == []
    assert np.isnan(history.val_accuracy[:2]).all()
    assert np.isfinite(history.val_accuracy[2:]).all()
    assert {len(v) for v in history.to_dict().values()} == {0, 4}
    history.to_csv(tmp_path / "history.csv")
    _, fit = late()
    assert fit().val_accuracy == []


def test_several_labels_found_late_are_known_after_resuming(tmp_path):
    net, fit = late(metrics="accuracy")
    path = tmp_path / "run.fw"
    fit(callbacks=fw.Checkpoint(path))
    x = np.zeros((3, 5), np.float32)
    history = net.fit(
        Later(x, 99), epochs=6, resume=path, metrics="accuracy", validation_data=(x, np.eye(3))
    )
    assert {len(v) for v in history.to_dict().values()} == {0, 6}


def test_what_has_no_meaning_for_several_labels_found_late():
    plateau = fw.SGD(0.1, schedule=fw.schedules.ReduceLROnPlateau(monitor="accuracy"))
    for options, sentence in (
        ({"metrics": "top_5_accuracy"}, "^metrics: expected one class to a row with top_5"),
        ({"optimizer": plateau, "validate": False}, "^monitor: found 'accuracy', expected one of"),
    ):
        net, fit = late(**options)
        with pytest.raises(ValueError, match=sentence):
            fit()
        assert {len(v) for v in net.history.to_dict().values()} <= {0, 2}

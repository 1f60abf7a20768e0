"""How training ends: weights, history, generator, callbacks and checkpoints after each way out."""

import contextlib
import os
import shutil

import numpy as np
import pytest

import compare
import featherweight as fw
from runs import RUNS, _runs  # noqa: F401 - a fixture, which pytest finds by its name here


def problem(**options):
    rng = np.random.Generator(np.random.Philox(3))
    x = rng.normal(size=(200, 20)).astype(np.float32)
    noise = rng.integers(0, 2, 200)
    net = fw.Network([20, 16, 2], **({"rng": 1} | options))
    return net, x, (x[:, 0] > 0).astype(np.int64), noise


class Raise:
    """A callback that raises when it has seen so many epochs."""

    def __init__(self, epoch, error=KeyboardInterrupt):
        self.epoch, self.error = epoch, error

    def on_epoch_end(self, state):
        if state.epoch == self.epoch:
            raise self.error


class Diverge:
    """A callback that takes the rate to where weights become infinite."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, state):
        if state.epoch == self.epoch:
            state.optimizer.lr = 1e300


# ---- weights that aren't finite
def test_the_last_step_counts_too():
    """It makes the weights infinite, and no loss is computed from them any more."""
    net = fw.Network([20, 2], output="identity", rng=0)
    before = net.parameters.copy()
    _, x, labels, _ = problem()
    with pytest.raises(
        FloatingPointError,
        match=r"^weights: expected finite ones, found nan or infinity in epoch 1, step 1 of 1; "
        "the network holds the weights of before the first epoch$",
    ):
        net.fit(x * 1e10, np.stack([labels] * 2, 1) * 1.0, batch_size=200, optimizer=fw.SGD(1e30))
    compare.assert_same_bits(net.parameters, before)


def test_a_checkpoint_holds_finite_weights_and_can_be_gone_on_from(tmp_path):
    path = tmp_path / "run.fw"

    def train(epochs, *more):
        net, x, labels, _ = problem(activation="tanh")
        checkpoint = fw.Checkpoint(path)
        net.fit(
            x, labels, epochs=epochs, batch_size=200, optimizer=fw.SGD(0.1), resume=path,
            callbacks=[*more, checkpoint],
        )  # fmt: skip
        return net

    with pytest.raises(FloatingPointError, match=r"in epoch 5.*weights of the end of epoch 4"):
        train(9, Diverge(4))
    assert np.isfinite(fw.load(path).parameters).all()
    compare.assert_same_bits(train(4).parameters, fw.load(path).parameters)


# ---- callbacks
@pytest.mark.parametrize(
    ("culprit", "error"),
    [
        (Raise(8), KeyboardInterrupt),
        (Raise(8, ValueError("mine")), ValueError),
        (Diverge(8), FloatingPointError),
    ],
)
def test_early_stopping_gives_the_best_back_however_it_ends(culprit, error):
    net, x, labels, noise = problem()
    kept, ends = [], []

    class Watch:
        def on_epoch_end(self, state):
            kept.append(net.parameters.copy())

        def on_train_end(self, state):
            ends.append(state.epoch)

    stopping = fw.EarlyStopping(patience=50)
    with pytest.raises(error) as info:
        net.fit(
            x, labels, epochs=20, batch_size=200, validation_data=(x, noise),
            optimizer=fw.SGD(0.5), callbacks=[Watch(), stopping, culprit],
        )  # fmt: skip
    assert stopping.best_epoch < len(kept)
    compare.assert_same_bits(net.parameters, kept[stopping.best_epoch - 1])
    assert len(ends) == 1
    if error is ValueError:
        assert str(info.value) == "mine"
    else:
        holds = f"the network holds the weights of epoch {stopping.best_epoch}, the best"
        assert str(info.value).endswith(holds)


def test_who_was_not_told_of_the_beginning_is_not_told_of_the_end():
    net, x, labels, _ = problem()
    ends = []

    class Watch:
        def on_train_begin(self, state):
            raise ValueError("not like this")

        def on_train_end(self, state):
            ends.append(state)

    with pytest.raises(ValueError, match="not like this"):
        net.fit(x, labels, callbacks=Watch())
    assert not ends


# ---- what fails as training ends
class Fails:
    """A callback that fails as training ends."""

    def __init__(self, error):
        self.error = error

    def on_train_end(self, state):
        raise self.error


def test_a_checkpoint_that_cannot_be_written_hides_nothing(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    net, x, labels, noise = problem()
    kept, stopping = [], fw.EarlyStopping(patience=50)

    def watch(state):
        kept.append(net.parameters.copy())
        if state.epoch == 9:
            shutil.rmtree(folder)

    with pytest.raises(KeyboardInterrupt, match=r"^training stopped in epoch 9 of 20; ") as info:
        net.fit(
            x, labels, epochs=20, batch_size=200, validation_data=(x, noise),
            optimizer=fw.SGD(0.5),
            callbacks=[stopping, fw.Checkpoint(folder / "a.fw", every=99), watch, Raise(9)],
        )  # fmt: skip
    (note,) = info.value.__notes__
    assert note.startswith("as training ended: FileNotFoundError: ")
    assert stopping.best_epoch < 9
    compare.assert_same_bits(net.parameters, kept[stopping.best_epoch - 1])


@pytest.mark.parametrize(
    ("culprit", "sentence"),
    [
        (Raise(8), r"(?m)^training stopped in epoch 8 of 20; .*, the best$"),
        (Raise(8, ValueError("mine")), "(?m)^mine$"),
        (Diverge(8), r"(?m)^weights: .* in epoch 9, step 1 of 1; .*, the best$"),
    ],
)
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError("disk")])
def test_a_callback_that_fails_hides_nothing(culprit, sentence, failure):
    net, x, labels, noise = problem()
    kept, stopping = [], fw.EarlyStopping(patience=50)
    error = getattr(culprit, "error", FloatingPointError)
    with pytest.raises(error if isinstance(error, type) else type(error), match=sentence) as info:
        net.fit(
            x, labels, epochs=20, batch_size=200, validation_data=(x, noise),
            optimizer=fw.SGD(0.5),
            callbacks=[
                lambda state: kept.append(net.parameters.copy()), Fails(failure), stopping, culprit
            ],
        )  # fmt: skip
    said = "KeyboardInterrupt" if str(failure) == "" else "OSError: disk"
    assert f"as training ended: {said}" in info.value.__notes__
    compare.assert_same_bits(net.parameters, kept[stopping.best_epoch - 1])


def test_what_fails_where_training_ended_well_is_raised():
    net, x, labels, _ = problem()
    told = []

    class Watch:
        def on_train_end(self, state):
            told.append(state.epoch)

    with pytest.raises(OSError, match=r"(?m)^disk$") as info:
        net.fit(x, labels, callbacks=[Fails(OSError("disk")), Fails(ValueError("mine")), Watch()])
    assert info.value.__notes__ == ["as training ended: ValueError: mine"]
    assert told == [1]
    with pytest.raises(KeyboardInterrupt, match=r"^training stopped in epoch 2 of 2; "):
        net.fit(x, labels, epochs=2, callbacks=[Fails(KeyboardInterrupt()), Watch()])
    assert told == [1, 2]


# ---- before the first epoch
@pytest.mark.parametrize(
    "where",
    [
        "training.plan.split_rows",
        "training.fit.check_callbacks",
        "training.record.restore",
        "training.run.Run.begin",
        "training.run.Run.ready",
        "training.run.Run.__init__",
    ],
)
def test_an_interrupt_before_the_first_epoch_says_so(where, monkeypatch, tmp_path):
    net, x, labels, _ = problem()
    before = net.parameters.copy()

    def interrupt(*_):
        raise KeyboardInterrupt

    path = tmp_path / "a.fw"
    if where.startswith("training.record"):
        problem()[0].fit(x, labels, callbacks=fw.Checkpoint(path))
    monkeypatch.setattr(f"featherweight.{where}", interrupt)
    with pytest.raises(KeyboardInterrupt, match=r"^training stopped before epoch 1 of 5\b"):
        net.fit(x, labels, epochs=5, validation_split=0.1, resume=path)
    compare.assert_same_bits(net.parameters, before)
    monkeypatch.undo()
    net.fit(x, labels)


def test_an_interrupt_as_a_file_gets_its_name(monkeypatch, tmp_path):
    net, x, labels, _ = problem()
    replace = os.replace

    def interrupted(*names):
        replace(*names)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"^training stopped in epoch 1 of 5; "):
        net.fit(x, labels, epochs=5, callbacks=fw.Checkpoint(tmp_path / "a.fw"))
    assert os.listdir(tmp_path) == ["a.fw"]


# ---- history and generator
def test_the_history_of_whole_epochs_stays():
    net, x, labels, _ = problem()
    assert net.history is None
    calls = []

    def metric(y, predicted):
        calls.append(len(calls))
        if len(calls) == 6:  # of epoch 3's validation data
            raise KeyboardInterrupt
        return 0.5

    with pytest.raises(KeyboardInterrupt, match=r"^training stopped in epoch 3 of 5; "):
        net.fit(x, labels, epochs=5, metrics=metric, validation_data=(x, labels))
    assert net.history.epoch == [1, 2]
    assert {len(v) for v in net.history.to_dict().values()} == {2}
    whole = net.fit(x, labels)
    assert net.history is whole


def test_no_epoch_is_noted_by_halves(monkeypatch):
    net, x, labels, _ = problem()
    add = fw.History._add

    def interrupted(history, name, values):
        add(history, name, values)
        if name == "accuracy" and len(history.accuracy) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(fw.History, "_add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        net.fit(x, labels, epochs=5, callbacks=lambda state: None)
    assert {name: len(v) for name, v in net.history.to_dict().items() if v} == dict.fromkeys(
        ("epoch", "loss", "accuracy", "lr", "seconds", "images_per_second"), 2
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_the_generator_goes_on(error):
    """The second training's orders of rows come after the first's, which ended in its epoch 2."""

    def orders(*epochs):
        net, x, labels, _ = problem()
        seen = []

        class Watch:
            stops = True

            def on_batch_end(self, state):
                seen.append(state.loss)
                if self.stops and len(seen) == 9:  # of 7 batches to an epoch
                    raise error

        watch = Watch()
        for n in epochs:
            watch.stops = n < 0
            with contextlib.suppress(error):
                net.fit(x, labels, epochs=abs(n), optimizer=fw.SGD(0.0), callbacks=watch)
        return seen

    assert orders(-3, 1)[9:] == orders(3)[14:]


# ---- checkpoints
class Begin:
    def on_epoch_begin(self, state):
        return state.epoch == 5


class Middle:
    """Ends training in the middle of epoch 5."""

    def __init__(self, error):
        self.error = error

    def on_batch_end(self, state):
        if state.epoch == 5 and state.batch == 3:
            if self.error is not None:
                raise self.error
            RUNS[-1].halt()  # as if max_time were over


@pytest.mark.parametrize(
    "ending",
    [
        Begin(),
        Middle(KeyboardInterrupt),
        Middle(ValueError),
        Middle(None),
        lambda state: state.epoch == 4,
        Raise(5),
    ],
    ids=["on_epoch_begin", "Ctrl-C", "error", "max_time", "on_epoch_end", "Ctrl-C at an end"],
)
def test_the_last_whole_epoch_is_in_the_checkpoint(ending, tmp_path):
    path = tmp_path / "run.fw"

    def train(epochs, *callbacks, **options):
        net, x, labels, _ = problem()
        optimizer = fw.Adam(0.01, schedule=fw.schedules.ExponentialLR(0.99, by="step"))
        checkpoint = fw.Checkpoint(path, every=100)
        return net, net.fit(
            x, labels, epochs=epochs, optimizer=optimizer, dropout=0.2,
            callbacks=[*callbacks, checkpoint], **options,
        )  # fmt: skip

    with contextlib.suppress(KeyboardInterrupt, ValueError):
        train(20, ending)
    four = fw.load(path)
    net, history = train(4, resume=path)
    compare.assert_same_bits(net.parameters, four.parameters)
    assert history.epoch == [1, 2, 3, 4]
    assert {len(v) for v in history.to_dict().values()} == {0, 4}
    if callable(ending):
        return  # which said that it is enough
    net, history = train(9, resume=path)
    whole, expected = train(9)
    compare.assert_same_bits(net.parameters, whole.parameters)
    assert history.loss == expected.loss

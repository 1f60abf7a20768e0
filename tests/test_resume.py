"""What a checkpoint keeps of rates, schedules, callbacks and batches, and what resuming refuses."""

import os

import numpy as np
import pytest

import compare
import featherweight as fw
from keeping import Keeps


def problem(**options):
    rng = np.random.Generator(np.random.Philox(3))
    x = rng.normal(size=(200, 20)).astype(np.float32)
    return fw.Network([20, 16, 2], **({"rng": 1} | options)), x, (x[:, 0] > 0).astype(np.int64)


def assert_resumes(path, options, data=None):
    """Train to epoch 2, then to epoch 5 from there; and at once: the same bits."""
    found = []
    for epochs, resume in ((5, None), (2, path), (5, path)):
        net, x, y = problem()
        given = options()
        if resume is not None:
            given["callbacks"] = [*given.pop("callbacks", []), fw.Checkpoint(path)]
        source = (x, y) if data is None else (data(x, y), None)
        history = net.fit(*source, epochs=epochs, resume=resume, **given)
        found.append((net.parameters, history))
    compare.assert_same_bits(found[2][0], found[0][0])
    for name in ("loss", "lr"):
        assert found[2][1][name] == found[0][1][name]
    assert not np.array_equal(found[1][0], found[0][0])
    return found[0][1]


# ---- what is kept
class Decay:
    """Changes the optimizer's own settings, as a callback may."""

    def on_train_begin(self, state):
        state.optimizer.lr *= 0.5

    def on_epoch_end(self, state):
        state.optimizer.lr = np.float32(state.optimizer.lr * 0.9)
        if hasattr(state.optimizer, "betas"):
            state.optimizer.betas = (state.optimizer.betas[0] * 0.9, 0.99)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_rates_that_a_callback_changes(kind, tmp_path):
    def begins_once(state):
        Decay.on_epoch_end(None, state)

    path = tmp_path / "run.fw"
    history = assert_resumes(
        path, lambda: {"optimizer": getattr(fw, kind)(0.1), "callbacks": [begins_once]}
    )
    assert len(set(history.lr)) == 5
    net, x, y = problem()
    with pytest.raises(ValueError, match="resume: expected optimizer as before"):
        net.fit(x, y, epochs=9, optimizer=getattr(fw, kind)(0.2), resume=path)


def test_pairs_stay_pairs(tmp_path):
    path = tmp_path / "run.fw"
    net, x, y = problem()
    net.fit(x, y, epochs=2, optimizer=fw.Adam(betas=(0.8, 0.9)), callbacks=fw.Checkpoint(path))
    optimizer = fw.Adam(betas=(0.8, 0.9))
    net.fit(x, y, epochs=2, optimizer=optimizer, resume=path)
    assert optimizer.betas == (0.8, 0.9)


def test_a_rate_set_as_training_begins(tmp_path):
    """The settings to be compared are those that fit was given."""
    path = tmp_path / "run.fw"
    for epochs in (2, 5):
        net, x, y = problem()
        history = net.fit(
            x, y, epochs=epochs, optimizer=fw.SGD(0.1), resume=path,
            callbacks=[Decay(), fw.Checkpoint(path)],
        )  # fmt: skip
    assert history.epoch == [1, 2, 3, 4, 5]


def test_a_rate_set_as_training_begins_is_set_once(tmp_path):
    class Halve:
        def on_train_begin(self, state):
            state.optimizer.lr *= 0.5

    history = assert_resumes(
        tmp_path / "run.fw", lambda: {"optimizer": fw.SGD(0.1), "callbacks": [Halve()]}
    )
    assert history.lr == [0.05] * 5


@pytest.mark.parametrize("order", [1, -1])
def test_the_same_objects_go_on(order, tmp_path):
    """Ctrl-C in a notebook: the cell is run again with what a callback has left behind."""
    path = tmp_path / "run.fw"
    net, x, y = problem()
    optimizer, interrupts = fw.Adam(0.01), [3]

    def interrupt(state):
        if state.epoch in interrupts:
            interrupts.remove(state.epoch)
            raise KeyboardInterrupt

    def decay(state):
        Decay.on_epoch_end(None, state)

    def train(epochs=5):  # before the rate's change for epoch 3, or after it
        callbacks = [decay, interrupt][::order]
        return net.fit(
            x, y, epochs=epochs, optimizer=optimizer, resume=path,
            callbacks=[*callbacks, fw.Checkpoint(path)],
        )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        train()
    history = train()
    whole, _, _ = problem()
    expected = whole.fit(x, y, epochs=5, optimizer=fw.Adam(0.01), callbacks=decay)
    compare.assert_same_bits(net.parameters, whole.parameters)
    assert history.lr == expected.lr
    # and who begins anew, with the settings at first, goes on from the same file
    net, _, _ = problem(rng=8)
    optimizer = fw.Adam(0.01)
    train(6)
    optimizer = fw.Adam(0.02)
    with pytest.raises(ValueError, match="resume: expected optimizer as before"):
        train(7)


class Own(fw.schedules.Schedule):
    """Rates by what was observed, kept in attributes of several kinds."""

    def __init__(self, factor):
        super().__init__("epoch")
        self._factor, self._seen, self._array = factor, [], np.ones(3)

    def observe(self, value):
        self._seen.append(np.float64(value))
        self._array = self._array * self._factor

    def reset(self):
        self._seen, self._array = [], np.ones(3)

    def rates(self, lr, t):
        return np.full_like(t, lr * self._array[2] / (1 + len(self._seen)))


class Counting:
    """A callable whose factors depend on how often it was called."""

    def __init__(self):
        self.factor = 1.0

    def __call__(self, epoch):
        self.factor *= 0.7
        return self.factor

    def state_dict(self):
        return {"factor": self.factor}

    def load_state_dict(self, state):
        self.factor = state["factor"]


@pytest.mark.parametrize(
    "schedule",
    [
        lambda: Own(0.5),
        Counting,
        lambda: fw.schedules.SequentialLR([Own(0.5), fw.schedules.LambdaLR(Counting())], [3]),
        lambda: fw.schedules.ReduceLROnPlateau(patience=0, threshold=0.5),
    ],
    ids=["own", "callable", "sequence", "plateau"],
)
def test_schedules_with_a_state(schedule, tmp_path):
    history = assert_resumes(
        tmp_path / "run.fw", lambda: {"optimizer": fw.SGD(0.1, schedule=schedule())}
    )
    assert len(set(history.lr)) > 1


class Noisy:
    """Batches with noise of their own generator."""

    def __init__(self, x, y):
        self.x, self.y, self.rng = x, y, np.random.default_rng(0)

    def __iter__(self):
        for i in range(0, 200, 50):
            yield self.x[i : i + 50] + self.rng.normal(size=(50, 20)), self.y[i : i + 50]

    def state_dict(self):
        return self.rng.bit_generator.state

    def load_state_dict(self, state):
        self.rng.bit_generator.state = state


def test_batches_with_a_state(tmp_path):
    path = tmp_path / "run.fw"
    assert_resumes(path, dict, Noisy)
    net, x, y = problem()
    with pytest.raises(ValueError, match="resume: expected batches as before, 'Noisy', found None"):
        net.fit([(x, y)], epochs=9, resume=path)


@pytest.mark.parametrize(
    ("value", "back"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.True_, True),
        (float("inf"), float("inf")),
        (2**100, 2**100),
        ("text", "text"),
        (None, None),
        ((1, [2.5, {"a": None}]), [1, [2.5, {"a": None}]]),
        ({"dict": {}, "array": "x"}, {"dict": {}, "array": "x"}),
        (np.arange(6, dtype=">u2").reshape(2, 3)[:, ::2], np.array([[0, 2], [3, 5]], np.uint16)),
        ([np.array(1.5)], [np.array(1.5)]),
    ],
)
def test_what_callbacks_keep(value, back, tmp_path):
    path = tmp_path / "run.fw"
    net, x, y = problem()
    net.fit(x, y, callbacks=[Keeps(0), Keeps(value), fw.Checkpoint(path)])
    callbacks = [Keeps(None), Keeps(None)]
    net.fit(x, y, epochs=2, callbacks=callbacks, resume=path)
    assert callbacks[0].value == 0
    found = callbacks[1].value
    assert type(found) is type(back)
    if isinstance(back, np.ndarray):
        compare.assert_same_bits(found, back)
    else:
        assert found == back


def test_what_is_kept_is_that_of_the_epochs_end(tmp_path):
    """Though it is written later, when training ends, and the callback has changed it in place."""

    class Counts(Keeps):
        def on_batch_end(self, state):
            if len(state.history.epoch) == 2:
                raise KeyboardInterrupt
            self.value[0] += 1

        def on_epoch_begin(self, state):
            self.value[1] += 1

    path = tmp_path / "run.fw"
    net, x, y = problem()
    with pytest.raises(KeyboardInterrupt):
        net.fit(x, y, epochs=5, callbacks=[Counts(np.zeros(2)), fw.Checkpoint(path, every=9)])
    callback = Counts(None)
    net.fit(x, y, epochs=2, callbacks=callback, resume=path)
    assert callback.value.tolist() == [14.0, 2.0]  # of 7 batches to an epoch


@pytest.mark.parametrize(
    "value", [1 + 2j, np.array(["a"]), object(), {1: 2}, np.longdouble(1), [set()]]
)
def test_what_cannot_be_kept_is_named(value, tmp_path):
    path = tmp_path / "run.fw"
    net, x, y = problem()
    with pytest.raises(
        TypeError,
        match=r"^callbacks\[1\]: expected from Keeps.state_dict numbers, text, .* by name, found ",
    ):
        net.fit(x, y, epochs=9, callbacks=[Keeps(0), Keeps(value), fw.Checkpoint(path, every=5)])
    assert net.history.epoch == [1]  # found at the first occasion, not when it is to be written


# ---- what is refused
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"class_weight": {0: 2.0}}, "sample_weight and class_weight as before, found others"),
        ({"sample_weight": np.ones(200)}, "sample_weight and class_weight as before, found others"),
        ({"metrics": ["f1"]}, r"metrics as before, \[\], found \['f1'\]"),
        ({"validation_data": True}, "validation rows as before, None, found 200"),
        ({"callbacks": fw.Checkpoint("no/such/folder")}, "a folder that exists"),
        ({"callbacks": fw.EarlyStopping("f1")}, "monitor: found 'f1'"),
        (
            {"optimizer": fw.Adam(schedule=fw.schedules.ReduceLROnPlateau(monitor="f1"))},
            "monitor: found 'f1'",
        ),
    ],
)
def test_what_is_refused_changes_nothing(change, sentence, tmp_path):
    path = tmp_path / "run.fw"
    net, x, y = problem()
    net.fit(x, y, epochs=2, callbacks=fw.Checkpoint(path))
    other, _, _ = problem(rng=8)
    before = other.parameters.copy()
    if "validation_data" in change:
        change["validation_data"] = (x, y)
    with pytest.raises((ValueError, OSError), match=sentence):
        other.fit(x, y, epochs=4, resume=path, **change)
    compare.assert_same_bits(other.parameters, before)
    assert other.history is None


def test_a_state_that_is_not_taken_changes_nothing(tmp_path):
    class Refuses(Counting):
        def load_state_dict(self, state):
            raise ValueError("not mine")

    path = tmp_path / "run.fw"
    net, x, y = problem()
    net.fit(x, y, optimizer=fw.SGD(0.1, schedule=Refuses()), callbacks=fw.Checkpoint(path))
    other, _, _ = problem(rng=8)
    before = other.parameters.copy()
    with pytest.raises(ValueError, match="not mine"):
        other.fit(x, y, epochs=2, optimizer=fw.SGD(0.1, schedule=Refuses()), resume=path)
    compare.assert_same_bits(other.parameters, before)


def test_what_could_not_go_on_is_refused_before_training(tmp_path):
    class Half:
        def on_epoch_end(self, state):
            pass

        def state_dict(self):
            return {}

    path = tmp_path / "run.fw"
    net, x, y = problem()
    before = net.parameters.copy()
    with pytest.raises(
        TypeError,
        match=r"^callbacks\[0\]: expected load_state_dict beside state_dict, found none in Half$",
    ):
        net.fit(x, y, callbacks=[Half(), fw.Checkpoint(path)])
    compare.assert_same_bits(net.parameters, before)
    assert not path.exists()


# ---- files
def test_what_killed_writers_left_is_removed(tmp_path):
    path = tmp_path / "run.fw"
    left = [tmp_path / f".run.fw.abcdefg{i}.fw-tmp" for i in range(2)]
    others = [
        tmp_path / name
        for name in (".run.fw.x.abcdefgh.fw-tmp", "run.fw.old", ".run.fw.abcdefgh.tmp", "x")
    ]
    for file in (*left, *others):
        file.write_bytes(b"half")
    net, x, y = problem()
    net.fit(x, y, callbacks=fw.Checkpoint(path))
    assert sorted(os.listdir(tmp_path)) == sorted([*(o.name for o in others), "run.fw"])


def test_what_a_killed_writer_leaves_has_such_a_name(tmp_path, monkeypatch):
    """As the process stood when it was killed: the file written, and not yet renamed."""

    class Killed(BaseException):
        pass

    def kill(*_):
        raise Killed

    path = tmp_path / "run.fw"
    net, x, y = problem()
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", kill)
        patch.setattr(os, "unlink", lambda _: None)
        with pytest.raises(Killed):
            net.save(path)
    assert len(os.listdir(tmp_path)) == 1
    net.fit(x, y, callbacks=fw.Checkpoint(path))
    assert os.listdir(tmp_path) == ["run.fw"]

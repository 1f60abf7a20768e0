"""fit: trajectories against the oracle, histories, order of rows, state, callbacks."""

import numpy as np
import pytest

import compare
import featherweight as fw
import oracle

OPTIMIZERS = {
    "sgd": ("SGD", {"lr": 0.3}),
    "momentum": ("SGD", {"lr": 0.05, "momentum": 0.9}),
    "nesterov": ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "sgd decay": ("SGD", {"lr": 0.1, "weight_decay": 0.03}),
    "momentum decay": ("SGD", {"lr": 0.05, "momentum": 0.8, "weight_decay": 0.03}),
    "nesterov decay": (
        "SGD",
        {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.03},
    ),
    "adam": ("Adam", {"lr": 0.01}),
    "adam betas": ("Adam", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-4}),
    "adam decay": ("Adam", {"lr": 0.01, "weight_decay": 0.03}),
    "adamw": ("AdamW", {"lr": 0.01}),
    "rmsprop": ("RMSprop", {"lr": 0.003, "weight_decay": 0.01}),
    "rmsprop momentum": ("RMSprop", {"lr": 0.001, "alpha": 0.9, "momentum": 0.8}),
    "rmsprop centered": ("RMSprop", {"lr": 0.002, "alpha": 0.9, "eps": 0.1, "centered": True}),
    "rmsprop both": (
        "RMSprop",
        {"lr": 0.001, "alpha": 0.9, "eps": 0.1, "momentum": 0.8, "centered": True},
    ),
}
# A trajectory has no rigorous bound: these are some 20 times what was measured over all cases
TRAJECTORY = {np.float32: 3e-6, np.float64: 1e-14}


def pair(name):
    kind, options = OPTIMIZERS[name]
    return getattr(fw, kind)(**options), getattr(oracle, kind)(**options)


def build(sizes, names, output, dtype, isa=None, seed=0, **options):
    net = fw.Network(sizes, names, output, dtype=dtype, isa=isa, **options)
    compare.set_parameters(net, *compare.random_parameters(sizes, dtype, seed))
    return net


def data(rows, n_in, n_out, dtype=np.float64, seed=0):
    rng = np.random.Generator(np.random.Philox(seed + 40))
    return rng.uniform(-1, 1, (rows, n_in)).astype(dtype), rng.integers(0, n_out, rows)


def batches(x, t, size, w=None):
    """The mini-batches of one epoch in order."""
    for i in range(0, len(x), size):
        yield x[i : i + size], t[i : i + size], None if w is None else w[i : i + size]


def assert_same_parameters(net, reference, tolerance, what):
    for i, (w, b) in enumerate(zip(reference.weights, reference.biases, strict=True)):
        compare.assert_close(net.weights[i], w, tolerance * (1 + np.abs(w)), f"{what}: W {i}")
        compare.assert_close(net.biases[i], b, tolerance * (1 + np.abs(b)), f"{what}: b {i}")


# ---- trajectories
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("hidden", ["sigmoid", ("silu", "gelu"), ("elu", "softplus")], ids=str)
def test_trajectories(hidden, name, isa, dtype, exercised):
    """Three epochs of five steps, the last batch of each short."""
    sizes = (13, 18, 7, 4)
    net, (ours, theirs) = build(sizes, hidden, "softmax", dtype, isa), pair(name)
    x, labels = data(75, 13, 4, dtype)
    reference, t = compare.twin(net), oracle.one_hot(labels, 4)
    history = net.fit(x, labels, epochs=3, batch_size=16, optimizer=ours, shuffle=False)
    for epoch in range(3):
        seen = oracle.train(reference, theirs, batches(x, t, 16))
        loss = np.average([s[0] for s in seen], weights=[s[2] for s in seen])
        accuracy = np.average([s[1] for s in seen], weights=[s[2] for s in seen])
        compare.assert_close(history.loss[epoch], loss, 10 * TRAJECTORY[dtype], "history.loss")
        compare.assert_close(history.accuracy[epoch], accuracy, 1e-6, "history.accuracy")
    assert_same_parameters(net, reference, TRAJECTORY[dtype], name)
    exercised(net, "fit")


@pytest.mark.parametrize(("loss", "output"), [("mse", "identity"), ("mse", "sigmoid")])
@pytest.mark.parametrize("rows", [1, 31, 32, 33, 64])
def test_regression_trajectories(loss, output, rows, isa, dtype):
    net, (ours, theirs) = build((5, 33, 3), "tanh", output, dtype, isa), pair("momentum")
    x, _ = data(rows, 5, 3, dtype)
    t = np.stack([x.sum(1), x.prod(1), x[:, 0] ** 2], axis=1)
    reference = compare.twin(net)
    history = net.fit(x, t, epochs=12, batch_size=32, optimizer=ours, loss=loss, shuffle=False)
    for _ in range(12):
        oracle.train(reference, theirs, batches(x, t.astype(dtype), 32), loss)
    assert_same_parameters(net, reference, TRAJECTORY[dtype], f"{rows} rows")
    assert len(history.loss) == 12
    assert len(history.accuracy) == (12 if output == "sigmoid" else 0)


def test_sample_weights(isa, dtype):
    net, (ours, theirs) = build((5, 17, 3), "tanh", "softmax", dtype, isa), pair("adam")
    x, labels = data(50, 5, 3, dtype)
    w = (np.arange(50) * 7 % 5 + 1) / 4.0
    reference, t = compare.twin(net), oracle.one_hot(labels, 3)
    history = net.fit(
        x, labels, epochs=3, batch_size=16, optimizer=ours, shuffle=False, sample_weight=w
    )
    for epoch in range(3):
        seen = oracle.train(reference, theirs, batches(x, t, 16, w))
        loss = np.average([s[0] for s in seen], weights=[s[2] for s in seen])
        compare.assert_close(history.loss[epoch], loss, 10 * TRAJECTORY[dtype], "history.loss")
    assert_same_parameters(net, reference, TRAJECTORY[dtype], "weighted")


def test_a_step_is_the_gradient_and_its_update(isa, dtype):
    """Fused or not: with a power of two for lr, fit's step is p - lr * g to the bit."""
    net = build((37, 65, 33, 5), "tanh", "softmax", dtype, isa)
    x, labels = data(32, 37, 5, dtype)
    _, flat = net.gradients(x, labels, flat=True)
    expected = net.parameters - dtype(0.25) * flat
    net.fit(x, labels, batch_size=32, optimizer=fw.SGD(0.25), shuffle=False)
    compare.assert_same_bits(net.parameters, expected)


def test_uint8_and_input_scale(isa, dtype):
    net = build((9, 17, 3), "relu", "softmax", dtype, isa, input_scale=1 / 255)
    reference, (ours, theirs) = compare.twin(net), pair("adam")
    x = (np.arange(40 * 9) * 7919 % 256).reshape(40, 9).astype(np.uint8)
    labels = np.arange(40) % 3
    net.fit(x, labels, epochs=2, batch_size=16, optimizer=ours, shuffle=False)
    for _ in range(2):
        oracle.train(reference, theirs, batches(x, oracle.one_hot(labels, 3), 16))
    assert_same_parameters(net, reference, TRAJECTORY[dtype], "uint8")


# ---- history and validation
def test_history(isa):
    net = build((5, 17, 3), "tanh", "softmax", np.float64, isa)
    x, labels = data(50, 5, 3)
    xv, yv = data(23, 5, 3, seed=9)
    seen = []

    def evaluate(state):
        seen.append(state.network.evaluate(xv, yv))

    history = net.fit(x, labels, epochs=4, validation_data=(xv, yv), callbacks=[evaluate])
    assert isinstance(history, fw.History)
    assert history.epoch == [1, 2, 3, 4]
    assert history.val_loss == [loss for loss, _ in seen]
    assert history.val_accuracy == [score for _, score in seen]
    assert len(history.loss) == len(history.accuracy) == len(history.seconds) == 4
    assert all(s >= 0 for s in history.seconds)
    assert history["loss"] is history.loss  # no copy: the end of each epoch looks there
    assert history.to_dict()["val_loss"] == history.val_loss
    assert history.to_dict()["loss"] is not history.loss
    reference = compare.twin(net)
    bound = compare.loss_bound(reference, xv, oracle.one_hot(yv, 3), "cross_entropy", np.float64)
    expected = reference.loss(xv, oracle.one_hot(yv, 3))
    compare.assert_close(history.val_loss[-1], expected, bound, "val_loss")
    assert history.val_accuracy[-1] == oracle.accuracy(reference(xv), oracle.one_hot(yv, 3))


def test_history_without_validation_or_classes():
    net = build((5, 17, 3), "tanh", "identity", np.float64)
    x, _ = data(50, 5, 3)
    history = net.fit(x, x[:, :3], epochs=2)
    assert history.epoch == [1, 2]
    assert len(history.loss) == 2
    assert history.accuracy == history.val_loss == history.val_accuracy == []


def test_training_learns(isa, dtype):
    """The default optimizer on points in a ring."""
    rng = np.random.Generator(np.random.Philox(3))
    x = rng.uniform(-1, 1, (512, 2)).astype(dtype)
    labels = (np.hypot(x[:, 0], x[:, 1]) > 0.7).astype(np.int64)
    net = fw.Network([2, 16, 16, 2], "relu", dtype=dtype, isa=isa, rng=0)
    history = net.fit(x, labels, epochs=60, optimizer=fw.Adam(0.01), rng=0)
    assert net.score(x, labels) > 0.95
    assert history.loss[-1] < 0.5 * history.loss[0]


# ---- the order of rows
def read_order(moved):
    """Which row came when: each step pulls the bias nearer to 1, and later weights move by less."""
    expected = 0.02 * 0.98 ** np.arange(len(moved))
    places = np.argsort(-moved, kind="stable")
    compare.assert_close(moved[places], expected, 1e-4 * expected, "each row comes once")
    return places.tolist()


def order(rng, rows=60, epochs=1, isa=None, dtype=np.float64):
    """The rows' order of the last epoch, read off the weights of rows with one 1 each."""
    net = fw.Network([rows, 1], output="identity", dtype=dtype, isa=isa)
    moved = []

    class Watch:
        @staticmethod
        def on_epoch_begin(state):
            net.parameters[:] = 0

        @staticmethod
        def on_epoch_end(state):
            moved.append(net.weights[0][0].copy())

    options = {"batch_size": 1, "optimizer": fw.SGD(0.01), "callbacks": [Watch()]}
    options |= {"shuffle": False} if rng is False else {"rng": rng}
    net.fit(np.eye(rows, dtype=dtype), np.ones(rows), epochs=epochs, **options)
    return read_order(moved[-1])


def test_an_epoch_is_a_permutation_by_the_seed_alone(isa, dtype):
    first = order(1, isa=isa, dtype=dtype)
    assert sorted(first) == list(range(60))
    assert first != sorted(first)
    assert first == order(1)
    assert first != order(2)
    assert first != order(1, epochs=2, isa=isa, dtype=dtype)
    assert order(1, rows=7, isa=isa) == order(1, rows=7)
    assert order(None, isa=isa) != order(None, isa=isa)


def test_permutations_are_fair():
    """Over 300 seeds every row comes first about equally often: chi-squared with 7 of freedom."""
    counts = np.bincount([order(seed, rows=8)[0] for seed in range(300)], minlength=8)
    assert np.sum((counts - 37.5) ** 2 / 37.5) < 24.3  # 0.1 %


def test_without_shuffle_rows_come_in_order(isa):
    assert order(False, isa=isa) == list(range(60))
    assert order(False, epochs=2, isa=isa) == list(range(60))


def test_fit_is_reproducible(isa, dtype):
    x, labels = data(100, 5, 3, dtype)
    results = []
    for seed in (7, 7, 8, np.random.SeedSequence(7)):
        net = build((5, 17, 3), "relu", "softmax", dtype, isa)
        history = net.fit(x, labels, epochs=3, batch_size=8, rng=seed)
        results.append((net.parameters.copy(), history.loss))
    compare.assert_same_bits(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]
    assert results[0][1] != results[2][1]
    assert not np.array_equal(results[0][0], results[2][0])
    compare.assert_same_bits(results[0][0], results[3][0])


# ---- the optimizer's state
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_persists_over_fits(name, isa, dtype):
    x, labels = data(48, 5, 3, dtype)
    whole, parts = (build((5, 17, 3), "relu", "softmax", dtype, isa) for _ in range(2))
    options = {"batch_size": 16, "shuffle": False}
    whole.fit(x, labels, epochs=4, optimizer=pair(name)[0], **options)
    optimizer = pair(name)[0]
    for epochs in (1, 2, 1):
        parts.fit(x, labels, epochs=epochs, optimizer=optimizer, **options)
    compare.assert_same_bits(parts.parameters, whole.parameters, name)


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_another_network_starts_afresh(name, dtype):
    x, labels = data(48, 5, 3, dtype)
    options = {"epochs": 2, "batch_size": 16, "shuffle": False}
    nets = [build((5, 17, 3), "relu", "softmax", dtype, seed=s) for s in (0, 1, 1)]
    optimizer = pair(name)[0]
    nets[0].fit(x, labels, optimizer=optimizer, **options)
    nets[1].fit(x, labels, optimizer=optimizer, **options)
    nets[2].fit(x, labels, optimizer=pair(name)[0], **options)
    compare.assert_same_bits(nets[1].parameters, nets[2].parameters)


# ---- callbacks
class Recorder:
    def __init__(self, log, name, stop_at=None):
        self.log, self.name, self.stop_at = log, name, stop_at

    def on_train_begin(self, state):
        self.log.append((self.name, "train begin"))

    def on_epoch_begin(self, state):
        self.log.append((self.name, "begin", state.epoch))

    def on_epoch_end(self, state):
        assert len(state.history.loss) == state.epoch
        self.log.append((self.name, "end", state.epoch))
        return state.epoch == self.stop_at

    def on_train_end(self, state):
        self.log.append((self.name, "train end"))


def test_callbacks_come_in_order_and_can_stop():
    net, log = build((5, 17, 3), "tanh", "softmax", np.float32), []
    x, labels = data(50, 5, 3, np.float32)
    plain = []

    def note(state):
        assert state.network is net
        assert net(x).shape == (50, 3)
        plain.append(state.epoch)

    callbacks = [Recorder(log, "a"), note, Recorder(log, "b", stop_at=2)]
    history = net.fit(x, labels, epochs=5, callbacks=callbacks)
    assert history.epoch == plain == [1, 2]
    expected = [("a", "train begin"), ("b", "train begin")]
    for epoch in (1, 2):
        expected += [(n, when, epoch) for when in ("begin", "end") for n in "ab"]
    assert log == [*expected, ("a", "train end"), ("b", "train end")]


def test_only_true_stops():
    net = build((5, 17, 3), "tanh", "softmax", np.float32)
    x, labels = data(50, 5, 3, np.float32)
    for answer in (None, False):
        history = net.fit(x, labels, epochs=3, callbacks=[lambda state, a=answer: a])
        assert history.epoch == [1, 2, 3]

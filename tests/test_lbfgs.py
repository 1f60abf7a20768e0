"""L-BFGS: what SciPy is given, and what comes of it."""

import numpy as np
import pytest

import compare
import featherweight as fw
import oracle

optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")


def problem(dtype=np.float64, isa=None):
    rng = np.random.Generator(np.random.Philox(3))
    net = fw.Network([6, 17, 3], "tanh", dtype=dtype, rng=1, isa=isa)
    x = rng.normal(size=(90, 6)).astype(dtype)
    return net, x, (x[:, 0] * x[:, 1] > 0).astype(np.int64) + (x[:, 2] > 1)


@pytest.mark.parametrize("pairs", [3, 100])
@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_against_the_oracle_under_the_same_scipy(l2, pairs, isa):
    """Fifteen iterations, the oracle's loss and gradient in place of ours."""
    net, x, labels = problem(isa=isa)
    twin, t, w = compare.twin(net), oracle.one_hot(labels, 3), np.arange(90) % 3 + 1.0
    shapes = [p.shape for p in twin.weights + twin.biases]
    ends = np.cumsum([np.prod(s) for s in shapes])

    def objective(theta):
        parts = [p.reshape(s) for p, s in zip(np.split(theta, ends[:-1]), shapes, strict=True)]
        twin.weights, twin.biases = parts[:2], parts[2:]
        g = twin.gradients(x, t, None, w)
        grads, added = oracle.limited(twin.weights, g.weights, g.biases, l2=l2)
        return g.loss + added, np.concatenate([a.ravel() for a in grads])

    losses = []
    start = np.concatenate([p.ravel() for p in twin.weights + twin.biases])
    found = optimize.minimize(
        objective, start, jac=True, method="L-BFGS-B",
        options={"maxiter": 15, "maxcor": pairs, "gtol": 1e-7, "ftol": 1e-9},
        callback=lambda xk: losses.append(objective(xk)[0]),
    ).x  # fmt: skip
    optimizer = fw.LBFGS() if pairs == 100 else fw.LBFGS(pairs)
    history = net.fit(x, labels, epochs=15, optimizer=optimizer, sample_weight=w, l2=l2)
    objective(found)
    assert history.epoch == list(range(1, 16))
    compare.assert_close(history.loss, losses, 1e-8)
    for a, b in zip((*net.weights, *net.biases), twin.weights + twin.biases, strict=True):
        compare.assert_close(a, b, 1e-6)
        with pytest.raises(AssertionError):
            compare.assert_close(a + 1e-4, b, 1e-6)
    packed = oracle.pack(list(net.weights), list(net.biases))
    compare.assert_same_bits(net.parameters, packed)  # the padding is 0 still


def test_evaluations_are_limited():
    net, x, labels = problem()
    optimizer = fw.LBFGS(max_eval=5)
    history = net.fit(x, labels, epochs=50, optimizer=optimizer)
    assert 0 < len(history.epoch) <= 6
    assert not optimizer.converged
    assert "EXCEEDS LIMIT" in optimizer.message


def test_it_learns_and_its_history_is_of_its_weights(dtype):
    net, x, labels = problem(dtype)
    history = net.fit(x, labels, epochs=200, optimizer=fw.LBFGS(), validation_split=0.2)
    assert history.loss[-1] < 0.2
    assert len(history.accuracy) == len(history.val_loss) == len(history.epoch)
    net, x, labels = problem(dtype)
    history = net.fit(x, labels, epochs=8, optimizer=fw.LBFGS(), callbacks=lambda s: s.epoch == 4)
    assert history.epoch == [1, 2, 3, 4]
    compare.assert_close(net.evaluate(x, labels)[0], history.loss[-1], 1e-6)
    assert history.accuracy[-1] == net.score(x, labels)


def test_it_resumes_what_converged(tmp_path):
    path, found = tmp_path / "run.fw", []
    for epochs in (9, 3000, 3000):
        net, x, labels = problem()
        history = net.fit(
            x, labels, epochs=epochs, optimizer=fw.LBFGS(tolerance_change=1e-3), l2=0.01,
            callbacks=fw.Checkpoint(path, every=7), resume=path,
        )  # fmt: skip
        found.append((len(history.epoch), net.parameters.copy()))
    assert found[0][0] == 9
    assert 9 < found[1][0] == found[2][0] < 3000
    compare.assert_same_bits(found[1][1], found[2][1])


class Watch:
    """Notes what begins and ends, and answers one of it."""

    def __init__(self, answers=None, answer=None):
        self.log, self._answers, self._answer = [], answers, answer

    def on_epoch_begin(self, state):
        return self._note("begin", state.epoch)

    def on_epoch_end(self, state):
        return self._note("end", state.epoch)

    def on_train_end(self, state):
        self._note("over", state.epoch)

    def _note(self, *event):
        self.log.append(event)
        if event == self._answers:
            return self._answer()
        return None


def iterations(first, last):
    each = [(what, i) for i in range(first, last + 1) for what in ("begin", "end")]
    return [*each, ("over", last)]


def test_each_iteration_begins_and_ends(tmp_path):
    """Up to the last that is asked for, from a checkpoint on, and to where it converges."""
    path = tmp_path / "run.fw"
    for epochs in (4, 7, 3000):
        net, x, labels = problem()
        watch, done = Watch(), 0 if epochs == 4 else 4 if epochs == 7 else 7
        optimizer = fw.LBFGS(tolerance_change=1e-3)
        history = net.fit(
            x, labels, epochs=epochs, optimizer=optimizer, l2=0.01, resume=path,
            callbacks=[watch, fw.Checkpoint(path)],
        )  # fmt: skip
        assert watch.log == iterations(done + 1, len(history.epoch))
    assert optimizer.converged
    assert 7 < len(history.epoch) < 3000


def test_an_iteration_that_does_not_begin():
    net, x, labels = problem()
    twin, _, _ = problem()
    optimizer, watch = fw.LBFGS(), Watch(("begin", 4), lambda: True)
    history = net.fit(x, labels, epochs=9, optimizer=optimizer, callbacks=watch)
    assert history.epoch == [1, 2, 3]
    assert watch.log == [*iterations(1, 3)[:-1], ("begin", 4), ("over", 4)]
    assert not optimizer.converged
    twin.fit(x, labels, epochs=3, optimizer=fw.LBFGS())
    compare.assert_same_bits(net.parameters, twin.parameters)


def interrupt(*_):
    raise KeyboardInterrupt


def test_an_interrupt_says_where(monkeypatch):
    net, x, labels = problem()
    twin, _, _ = problem()
    with pytest.raises(
        KeyboardInterrupt,
        match=r"^training stopped in iteration 4 of 9; .* weights of the last completed one$",
    ):
        net.fit(x, labels, epochs=9, optimizer=fw.LBFGS(), callbacks=Watch(("begin", 4), interrupt))
    twin.fit(x, labels, epochs=3, optimizer=fw.LBFGS())
    compare.assert_same_bits(net.parameters, twin.parameters)
    assert net.history.epoch == [1, 2, 3]
    # while it sets up: what it computes with is made for all rows
    monkeypatch.setattr("featherweight.training.full_batch._Objective.__init__", interrupt)
    with pytest.raises(KeyboardInterrupt, match=r"^training stopped before iteration 1 of 9; "):
        net.fit(x, labels, epochs=9, optimizer=fw.LBFGS())


def test_a_start_of_other_weights_is_noticed(tmp_path):
    path = tmp_path / "run.fw"
    net, x, labels = problem()
    net.fit(x, labels, epochs=5, optimizer=fw.LBFGS(), callbacks=fw.Checkpoint(path))
    before = fw.load(path).parameters.copy()
    with pytest.raises(RuntimeError, match="expected the weights that were after 5 iterations"):
        net.fit(x + 1, labels, epochs=9, optimizer=fw.LBFGS(), resume=path)
    compare.assert_same_bits(net.parameters, before)


def test_a_loss_that_is_not_finite():
    net, x, labels = problem()
    before = net.parameters.copy()
    x[3, 2] = np.nan
    with pytest.raises(
        FloatingPointError, match=r"found nan in row 3, column 2; .*before the first"
    ):
        net.fit(x, labels, optimizer=fw.LBFGS())
    compare.assert_same_bits(net.parameters, before)


def test_refusals():
    net, x, labels = problem()
    with pytest.raises(ValueError, match="expected no clipping and no dropout with LBFGS"):
        net.fit(x, labels, optimizer=fw.LBFGS(), dropout=0.5)
    with pytest.raises(ValueError, match="found an iterable"):
        net.fit([(x, labels)], optimizer=fw.LBFGS())
    with pytest.raises(TypeError, match="LBFGS: expected to be used by fit"):
        fw.LBFGS().step(net, net.gradients(x, labels)[1])

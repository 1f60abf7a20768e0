"""Steps with limits, steps by hand, gradients of one's own loss, and losses that aren't finite."""

import numpy as np
import pytest

import compare
import featherweight as fw
import oracle

LIMITS = {
    "l2": {"l2": 0.05},
    "value": {"clip_value": 0.01},
    "norm": {"clip_norm": 0.2},
    "loose norm": {"clip_norm": 50.0},
    "all": {"l2": 0.05, "clip_value": 0.03, "clip_norm": 0.1},
}


def problem(dtype, isa=None, sizes=(9, 33, 17, 3), threads=1, rows=40):
    rng = np.random.Generator(np.random.Philox(5))
    net = fw.Network(sizes, "tanh", dtype=dtype, rng=2, isa=isa, threads=threads)
    return net, rng.uniform(-1, 1, (rows, sizes[0])).astype(dtype), rng.integers(0, 3, rows)


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
def test_limits(kind, limits, isa, dtype):
    net, x, labels = problem(dtype, isa)
    reference, t = compare.twin(net), oracle.one_hot(labels, 3)
    history = net.fit(
        x, labels, epochs=2, batch_size=16, optimizer=getattr(fw, kind)(0.1), shuffle=False,
        **LIMITS[limits],
    )  # fmt: skip
    theirs, losses = getattr(oracle, kind)(0.1), []
    for i in (0, 16, 32) * 2:
        batch = slice(i, i + 16)
        g = reference.gradients(x[batch], t[batch], None, np.ones(len(t[batch])))
        grads, added = oracle.limited(reference.weights, g.weights, g.biases, **LIMITS[limits])
        losses.append((g.loss + added) * len(t[batch]))
        theirs.step(reference.weights + reference.biases, grads)
    # Adam's first steps go by the gradient's sign alone, whatever its size
    bound = (2e-4 if kind == "AdamW" else 3e-6) if dtype == np.float32 else 1e-12
    found, wanted = (*net.weights, *net.biases), reference.weights + reference.biases
    for w, expected in zip(found, wanted, strict=True):
        compare.assert_close(w, expected, bound * (1 + np.abs(expected)), limits)
        with pytest.raises(AssertionError):
            compare.assert_close(w + dtype(0.001), expected, bound * (1 + np.abs(expected)), limits)
    compare.assert_close(history.loss[1], sum(losses[3:]) / 40, 1e-5, "loss")


@pytest.mark.parametrize("limits", LIMITS)
def test_limits_by_threads_and_instruction_sets(limits, dtype):
    found = []
    for isa in fw.isas():
        for threads in (1, 2):
            net, x, labels = problem(dtype, isa, (130, 140, 70, 3), threads, 300)
            net.fit(x, labels, batch_size=150, optimizer=fw.Adam(0.01), **LIMITS[limits])
            found.append(net.parameters.copy())
    for other in found[1:]:
        compare.assert_same_bits(other, found[0])


@pytest.mark.parametrize("limits", [None, *LIMITS])
def test_two_threads_that_share_a_layer(limits):
    """A small network on wide inputs: schedules by step, and what looks at all of a gradient."""
    found = []
    for threads in (1, 2, 2):
        net, x, labels = problem(np.float32, None, (784, 16, 3), threads, 3200)
        optimizer = fw.Adam(0.01, schedule=fw.schedules.OneCycleLR(0.02, 200))
        options = LIMITS.get(limits, {})
        net.fit(x, labels, epochs=2, batch_size=32, optimizer=optimizer, **options)
        found.append(net.parameters.copy())
    compare.assert_same_bits(found[1], found[0])
    compare.assert_same_bits(found[2], found[0])


@pytest.mark.parametrize("schedule", [None, "epoch", "step"])
@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_steps_by_hand_are_those_of_fit(kind, schedule, isa, dtype):
    net, x, labels = problem(dtype, isa)
    other, _, _ = problem(dtype, isa)

    def optimizer():
        rates = schedule and fw.schedules.ExponentialLR(0.5, by=schedule)
        return getattr(fw, kind)(0.01, schedule=rates)

    net.fit(x, labels, epochs=2, batch_size=20, shuffle=False, optimizer=optimizer())
    optimizer = optimizer()
    for i in (0, 20) * 2:
        _, grads = other.gradients(x[i : i + 20], labels[i : i + 20])
        optimizer.step(other, grads)
        if i:
            optimizer.end_epoch()
    compare.assert_same_bits(other.parameters, net.parameters)
    _, flat = other.gradients(x, labels, flat=True)
    flat[:] += 1  # the padding too, which a step must not let in
    optimizer.step(other, flat)
    packed = oracle.pack(list(other.weights), list(other.biases))
    compare.assert_same_bits(other.parameters, packed)


@pytest.mark.parametrize("limits", LIMITS)
def test_limited_steps_by_hand_are_those_of_fit(limits, isa, dtype):
    net, x, labels = problem(dtype, isa)
    other, plain = problem(dtype, isa)[0], problem(dtype, isa)[0]
    net.fit(x, labels, batch_size=40, shuffle=False, optimizer=fw.SGD(0.1), **LIMITS[limits])
    for twin, options in ((other, LIMITS[limits]), (plain, {})):
        fw.SGD(0.1).step(twin, twin.gradients(x, labels)[1], **options)
    compare.assert_same_bits(other.parameters, net.parameters)
    assert np.array_equal(plain.parameters, net.parameters) == (limits == "loose norm")


def test_a_refused_step_leaves_the_state_of_another_network():
    net, x, labels = problem(np.float32)
    twin, other = problem(np.float32)[0], problem(np.float32)[0]
    ours, theirs = fw.SGD(0.1, momentum=0.9), fw.SGD(0.1, momentum=0.9)
    for _ in range(2):
        ours.step(net, net.gradients(x, labels)[1])
        theirs.step(twin, twin.gradients(x, labels)[1])

    def bad(epoch):
        return "a"

    for schedule in (bad, fw.schedules.OneCycleLR(1.0, 9)):
        ours.momentum, ours.schedule = (0.9 if schedule is bad else 0.0), schedule
        with pytest.raises((TypeError, ValueError), match=r"lr_lambda|cycle_momentum"):
            ours.step(other, other.gradients(x, labels)[1])
        ours.momentum, ours.schedule = 0.9, None
        ours.step(net, net.gradients(x, labels)[1])
        theirs.step(twin, twin.gradients(x, labels)[1])
    compare.assert_same_bits(net.parameters, twin.parameters)
    compare.assert_same_bits(other.parameters, problem(np.float32)[0].parameters)


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity", "silu"])
def test_backward(output, isa, dtype):
    """Against mse's own gradients: the derivative of the mean of (y - t)^2 given as dy."""
    net = fw.Network((5, 18, 4), "silu", output, dtype=dtype, rng=3, isa=isa)
    rng = np.random.Generator(np.random.Philox(6))
    x, t = rng.uniform(-1, 1, (70, 5)).astype(dtype), rng.uniform(0, 1, (70, 4)).astype(dtype)
    _, expected = net.gradients(x, t, loss="mse")
    found = net.backward(x, 2 * (net(x) - t) / t.size)
    bound = 1e-6 if dtype == np.float32 else 1e-15
    for a, b in zip(
        (*found.weights, *found.biases, found.input),
        (*expected.weights, *expected.biases, expected.input),
        strict=True,
    ):
        compare.assert_close(a, b, bound, output)
        with pytest.raises(AssertionError):
            compare.assert_close(-a, b, bound, output)
    one = net.backward(x[3], np.ones(4, dtype))
    assert one.input.shape == (5,)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_loss_that_is_not_finite(threads):
    """Epoch 2 meets what epoch 1 didn't: the network is as after epoch 1, the optimizer as new."""
    net, x, labels = problem(np.float32, sizes=(784, 16, 3), threads=threads, rows=4000)
    twin, _, _ = problem(np.float32, sizes=(784, 16, 3), rows=4000)
    optimizer = fw.Adam(0.01)
    twin.fit(x, labels, batch_size=40, optimizer=fw.Adam(0.01))

    def poison(state):
        x[123] = np.inf

    with pytest.raises(FloatingPointError, match=r"in epoch 2, step \d+ of 100; .* end of epoch 1"):
        net.fit(x, labels, epochs=3, batch_size=40, optimizer=optimizer, callbacks=poison)
    compare.assert_same_bits(net.parameters, twin.parameters)
    x[123] = 0.0
    for n, o in ((net, optimizer), (twin, fw.Adam(0.01))):
        n.fit(x, labels, batch_size=40, optimizer=o, rng=1)
    compare.assert_same_bits(net.parameters, twin.parameters)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"l2": -1.0}, "l2: expected a finite number at least 0"),
        ({"clip_norm": 0.0}, "clip_norm: expected a finite number above 0"),
        ({"clip_value": "x"}, "clip_value: expected a real number"),
    ],
)
def test_refused_limits(options, sentence):
    net, x, labels = problem(np.float32)
    before = net.parameters.copy()
    with pytest.raises((TypeError, ValueError), match=sentence):
        net.fit(x, labels, **options)
    compare.assert_same_bits(net.parameters, before)


def test_refused_gradients():
    net, x, labels = problem(np.float32)
    _, grads = net.gradients(x, labels)
    other = fw.Network((9, 3), rng=0)
    with pytest.raises(ValueError, match="gradients: expected 1 weights, found 3"):
        fw.SGD(0.1).step(other, grads)
    with pytest.raises(ValueError, match="gradients: expected shape"):
        fw.SGD(0.1).step(net, np.zeros(3, np.float32))
    with pytest.raises(TypeError, match="gradients: expected those of"):
        fw.SGD(0.1).step(net, "no")
    with pytest.raises(TypeError, match="network: expected a Network, found 3"):
        fw.SGD(0.1).step(3, grads)
    with pytest.raises(ValueError, match=r"dy: expected shape \(40, 3\), found \(40, 2\)"):
        net.backward(x, np.zeros((40, 2)))


class Fickle(fw.schedules.Schedule):
    """A rate by how many epochs were observed, or none."""

    refuses, _seen = False, 0

    def observe(self, value):
        self._seen += 1

    def reset(self):
        self._seen = 0

    def rates(self, lr, t):
        return np.full_like(t, np.nan if self.refuses else lr / (1 + self._seen))


@pytest.mark.parametrize("by", ["step", "fit"])
def test_a_refused_step_leaves_the_optimizer_its_state(by):
    """What it has of one network, where a step with another one is refused."""
    other, x, labels = problem(np.float32)
    found = []
    gradients, before = other.gradients(x, labels)[1], other.parameters.copy()
    for refused in (True, False):
        net, _, _ = problem(np.float32)
        schedule = Fickle()
        optimizer = fw.SGD(0.1, momentum=0.9, schedule=schedule)
        net.fit(x, labels, epochs=3, optimizer=optimizer)
        if refused:
            schedule.refuses = True
            steps = {
                "step": lambda o=optimizer: o.step(other, gradients),
                "fit": lambda o=optimizer: other.fit(x, labels, optimizer=o),
            }
            with pytest.raises(ValueError, match="schedule: expected lr finite"):
                steps[by]()
            compare.assert_same_bits(other.parameters, before)
            schedule.refuses = False
        found.append((net.fit(x, labels, epochs=2, optimizer=optimizer).lr, net.parameters))
    assert found[0][0] == found[1][0]
    compare.assert_same_bits(found[0][1], found[1][1])

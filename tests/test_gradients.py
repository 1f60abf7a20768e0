"""net.gradients and net.evaluate: against finite differences, the oracle, and their own order."""

from functools import cache, partial

import numpy as np
import pytest

import compare
import featherweight as fw
import oracle

HIDDEN = tuple(oracle.ACTIVATIONS)
PAIRS = [("cross_entropy", "softmax"), ("binary_cross_entropy", "sigmoid"), ("mse", "softmax")]
PAIRS += [("mse", name) for name in HIDDEN]


def beside(output):
    """The hidden activations whose sums don't overflow with such an output."""
    return [name for name in HIDDEN if (name, output) != ("exp", "exp")]


BATCHES = (1, 2, 31, 32, 64, 65, 129, 200)


def targets(loss, rows, n, seed=0, hard=False):
    """Targets that the loss allows: rows of a distribution, or of numbers, or one-hot."""
    rng = np.random.Generator(np.random.Philox(seed + 77))
    if hard:
        return oracle.one_hot(rng.integers(0, n, rows), n)
    t = rng.integers(1, 64, (rows, n)) / 64.0
    if loss == "cross_entropy":
        # sums to 1 exactly, some of it at 0
        t = rng.multinomial(64, np.full(n, 1 / n), rows) / 64.0
    return t


def build(sizes, names, output, dtype, isa, seed=0):
    net = fw.Network(sizes, names, output, dtype=dtype, isa=isa)
    compare.set_parameters(net, *compare.random_parameters(sizes, dtype, seed))
    return net


def inputs(rows, n, dtype, seed=0):
    rng = np.random.Generator(np.random.Philox(seed + 5))
    return rng.uniform(-1.5, 1.5, (rows, n)).astype(dtype)


@cache
def expected(sizes, names, loss, rows, dtype, weighted=False, seed=0):
    """The oracle's gradients and their bounds; names holds the output's too."""
    net = oracle.Net(*compare.random_parameters(sizes, dtype, seed), names)
    x, t = inputs(rows, sizes[0], dtype), targets(loss, rows, sizes[-1]).astype(dtype)
    w = sample_weights(rows) if weighted else None
    g = net.gradients(x, t, loss, w)
    bounds = compare.gradient_bounds(net, x, t, loss, dtype, w)
    return x, t, w, g, bounds, compare.loss_bound(net, x, t, loss, dtype, w)


def sample_weights(rows):
    return (np.arange(rows) * 7 % 5 + 1) / 4.0


def check(net, sizes, names, loss, rows, dtype, weighted=False):
    x, t, w, g, bounds, loss_bound = expected(sizes, names, loss, rows, dtype, weighted)
    value, grads = net.gradients(x, t, loss=loss, sample_weight=w)
    assert isinstance(value, float)
    what = f"{sizes} {names} {loss} {rows} rows"
    compare.assert_close(value, g.loss, loss_bound, f"{what}: loss")
    for i in range(len(sizes) - 1):
        compare.assert_close(grads.weights[i], g.weights[i], bounds[0][i], f"{what}: dW {i}")
        compare.assert_close(grads.biases[i], g.biases[i], bounds[1][i], f"{what}: db {i}")
        assert grads.weights[i].dtype == grads.biases[i].dtype == dtype
    compare.assert_close(grads.input, g.input, bounds[2], f"{what}: dx")


# ---- against the oracle
@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_every_hidden_activation_and_loss(loss, output, isa, dtype, exercised):
    sizes = (7, 18, 5, 3)
    for hidden in beside(output):
        net = build(sizes, hidden, output, dtype, isa)
        check(net, sizes, (hidden, hidden, output), loss, 33, dtype)
    exercised(net, "gradients")


@pytest.mark.parametrize("rows", BATCHES)
@pytest.mark.parametrize(("loss", "output"), [*PAIRS[:3], ("mse", "identity")])
def test_every_batch_size(loss, output, rows, isa, dtype):
    sizes = (17, 33, 10)
    net = build(sizes, "tanh", output, dtype, isa)
    check(net, sizes, ("tanh", output), loss, rows, dtype)
    check(net, sizes, ("tanh", output), loss, rows, dtype, weighted=True)


PANELS = [
    ((1, 1), ("identity",)),
    ((1, 2), ("softmax",)),
    ((65, 48), ("softmax",)),
    ((129, 50), ("sigmoid",)),
    ((200, 31, 1), ("relu", "sigmoid")),
    ((15, 16, 17, 32), ("gelu", "silu", "identity")),
    ((64, 65, 33, 48, 10), ("elu", "softplus", "leaky_relu", "softmax")),
]


@pytest.mark.parametrize(("sizes", "names"), PANELS, ids=str)
def test_layers_of_several_panels(sizes, names, isa, dtype):
    net = build(sizes, names[:-1], names[-1], dtype, isa)
    for rows in (1, 7, 65):
        check(net, sizes, names, oracle.default_loss(names[-1]), rows, dtype)
        check(net, sizes, names, "mse", rows, dtype)


def test_input_scale_is_in_the_inputs_gradient(isa, dtype):
    """grads.input is with respect to x as it was given."""
    net = fw.Network([9, 4, 3], "tanh", dtype=dtype, isa=isa, input_scale=1 / 16)
    compare.set_parameters(net, *compare.random_parameters((9, 4, 3), dtype))
    x = (np.arange(45) * 37 % 256).reshape(5, 9).astype(np.uint8)
    t = targets("cross_entropy", 5, 3)
    reference = compare.twin(net)
    g = reference.gradients(x, t)
    bounds = compare.gradient_bounds(reference, x, t, "cross_entropy", dtype)
    _, grads = net.gradients(x, t)
    compare.assert_close(grads.weights[0], g.weights[0], bounds[0][0])
    compare.assert_close(grads.input, g.input, bounds[2])


# ---- against central differences
def difference(f, p, h=2.0**-17):
    """df/dp for every element of p, which f reads."""
    result = np.zeros(p.shape)
    for at in np.ndindex(p.shape):
        kept = p[at]
        p[at] = kept + h
        up = f()
        p[at] = kept - h
        down = f()
        p[at] = kept
        result[at] = (up - down) / (2 * h)
    return result


@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_the_oracle_against_differences(loss, output):
    for hidden in beside(output):
        net = oracle.Net(
            *compare.random_parameters((3, 4, 2), np.float64, 3), (hidden, output), 0.5
        )
        x, t, w = inputs(5, 3, np.float64), targets(loss, 5, 2), sample_weights(5)
        assert min(np.min(np.abs(z)) for z in net.forward(x)[0]) > 1e-4  # no kink within reach
        g = net.gradients(x, t, loss, w)
        for p, d in zip(
            [*net.weights, *net.biases, x], [*g.weights, *g.biases, g.input], strict=True
        ):
            numeric = difference(partial(net.loss, x, t, loss, w), p)
            bound = 2e-9 * (1 + np.abs(numeric))
            compare.assert_close(d, numeric, bound, f"{hidden} {output} {loss}")


def our_loss(net, x, t, loss, w):
    return net.evaluate(x, t, loss=loss, sample_weight=w)[0]


@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_against_differences_of_our_own_loss(loss, output, isa):
    for hidden in beside(output):
        net = build((3, 4, 2), hidden, output, np.float64, isa, seed=3)
        x, t, w = inputs(5, 3, np.float64), targets(loss, 5, 2), sample_weights(5)
        _, flat = net.gradients(x, t, loss=loss, sample_weight=w, flat=True)
        value = partial(our_loss, net, x, t, loss, w)
        numeric = difference(value, net.parameters)
        real = oracle.pack(
            [np.ones((4, 3)), np.ones((2, 4))], [np.ones(4), np.ones(2)]
        )  # not the padding
        bound = 2e-9 * (1 + np.abs(numeric))
        compare.assert_close(flat * real, numeric * real, bound, f"{hidden} {output} {loss}")
        _, grads = net.gradients(x, t, loss=loss, sample_weight=w)
        numeric = difference(value, x)
        compare.assert_close(grads.input, numeric, 2e-9 * (1 + np.abs(numeric)), "dx")


# ---- weights of samples
@pytest.mark.parametrize(("loss", "output"), PAIRS[:4])
def test_weight_two_is_the_row_twice_and_weight_zero_its_absence(loss, output, isa, dtype):
    sizes, rows = (9, 17, 4), 40
    net = build(sizes, "sigmoid", output, dtype, isa)
    x, t = inputs(rows, 9, dtype), targets(loss, rows, 4)
    w = np.arange(rows) % 3
    again = np.repeat(np.arange(rows), w)
    value, grads = net.gradients(x, t, loss=loss, sample_weight=w)
    other, others = net.gradients(x[again], t[again], loss=loss)
    reference = compare.twin(net)
    bounds = compare.gradient_bounds(reference, x, t, loss, dtype, w)
    bound = compare.loss_bound(reference, x, t, loss, dtype, w)
    compare.assert_close(value, other, 2 * bound, "loss")
    for i in range(2):
        compare.assert_close(grads.weights[i], others.weights[i], 2 * bounds[0][i], f"dW {i}")
        compare.assert_close(grads.biases[i], others.biases[i], 2 * bounds[1][i], f"db {i}")
    assert np.all(grads.input[w == 0] == 0)


def test_equal_weights_scale_away(isa, dtype):
    """A power of two is no rounding at all: the bits are those without weights."""
    net = build((9, 17, 4), "sigmoid", "softmax", dtype, isa)
    x, t = inputs(32, 9, dtype), targets("cross_entropy", 32, 4)
    value, flat = net.gradients(x, t, flat=True)
    other, scaled = net.gradients(x, t, sample_weight=np.full(32, 0.25), flat=True)
    assert value == other
    compare.assert_same_bits(flat, scaled)


# ---- forms
def test_flat_order_is_that_of_parameters(isa, dtype):
    sizes = (17, 33, 16, 50)
    net = build(sizes, ("tanh", "silu"), "softmax", dtype, isa)
    x, t = inputs(31, 17, dtype), targets("cross_entropy", 31, 50)
    value, grads = net.gradients(x, t)
    same, flat = net.gradients(x, t, flat=True)
    assert value == same
    assert flat.dtype == dtype
    assert flat.shape == net.parameters.shape
    packed = oracle.pack(list(grads.weights), list(grads.biases))
    compare.assert_same_bits(flat, packed, "flat gradients, the padding 0")


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_labels_are_one_hot_rows(output, isa, dtype):
    net = build((9, 17, 4), "relu", output, dtype, isa)
    x, labels = inputs(21, 9, dtype), np.arange(21) * 3 % 4
    for loss in {oracle.default_loss(output), "mse"}:
        value, flat = net.gradients(x, labels, loss=loss, flat=True)
        other, same = net.gradients(x, oracle.one_hot(labels, 4), loss=loss, flat=True)
        assert value == other
        compare.assert_same_bits(flat, same)


def test_one_row_and_one_output_in_their_short_forms(isa, dtype):
    net = build((9, 17, 1), "relu", "sigmoid", dtype, isa)
    x, t = inputs(21, 9, dtype), targets("mse", 21, 1)
    value, flat = net.gradients(x, t, flat=True)
    other, same = net.gradients(x, t[:, 0], flat=True)
    assert value == other
    compare.assert_same_bits(flat, same)


def test_gradients_leave_the_network_alone(isa, dtype):
    net = build((17, 33, 10), "tanh", "softmax", dtype, isa)
    before = net.parameters.copy()
    x = inputs(40, 17, dtype)
    kept = x.copy()
    net.gradients(x, np.arange(40) % 10)
    net.evaluate(x, np.arange(40) % 10)
    compare.assert_same_bits(net.parameters, before)
    compare.assert_same_bits(x, kept)


def test_a_nan_reaches_every_gradient(isa, dtype):
    net = build((9, 17, 4), "tanh", "softmax", dtype, isa)
    x = inputs(21, 9, dtype)
    x[3, 5] = np.nan
    grads = net.backward(x, np.eye(4)[np.arange(21) % 4] - 0.25)
    assert np.all(np.isnan(grads.weights[1]))
    assert np.all(np.isnan(grads.biases[0]))
    assert np.all(np.isnan(grads.input[3]))
    assert not np.any(np.isnan(np.delete(grads.input, 3, axis=0)))


# ---- evaluate and score
@pytest.mark.parametrize("rows", [1, 65, 1500])
@pytest.mark.parametrize(("loss", "output"), [*PAIRS[:3], ("mse", "identity"), ("mse", "sigmoid")])
def test_evaluate(loss, output, rows, isa, dtype):
    sizes = (17, 33, 4)
    net = build(sizes, "tanh", output, dtype, isa)
    x, t = inputs(rows, 17, dtype), targets(loss, rows, 4, hard=output != "identity")
    value, score = net.evaluate(x, t, loss=loss)
    reference = compare.twin(net)
    bound = compare.loss_bound(reference, x, t, loss, dtype)
    compare.assert_close(value, reference.loss(x, t, loss), bound, "loss")
    y = net(x).astype(np.float64)
    if output != "identity":
        assert score == oracle.accuracy(y, t)
    elif rows > 1:
        compare.assert_close(score, oracle.r2(y, t), 100 * np.finfo(dtype).eps, "R^2")
    assert rows == 1 or score == net.score(x, t)


def test_extreme_logits_have_finite_losses(isa, dtype):
    """The loss comes from z: no log of an underflown probability."""
    net = fw.Network([1, 2], output="softmax", dtype=dtype, isa=isa)
    net.weights[0] = np.array([[1], [-1]], dtype)
    value, grads = net.gradients(np.array([[-2000.0]]), np.array([0]))
    assert value == 4000
    assert np.array_equal(grads.biases[0], [-1, 1])
    net = fw.Network([1, 1], output="sigmoid", dtype=dtype, isa=isa)
    net.weights[0] = np.ones((1, 1), dtype)
    value, grads = net.gradients(np.array([[-3000.0], [3000.0]]), np.array([1.0, 1.0]))
    assert value == 1500
    assert np.array_equal(grads.biases[0], [-0.5])

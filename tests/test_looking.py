"""What a network looks for, and how it is laid out, as numbers."""

import numpy as np
import pytest

import compare
import featherweight as fw
import oracle
from featherweight.diagrams import layout as diagram


def network(sizes=(9, 5, 4, 3), hidden="tanh", output="softmax", **options):
    return fw.Network(sizes, hidden, output, dtype=np.float64, rng=3, **options)


def score(net, x, layer, neuron):
    """A neuron's weighted sum, by the oracle's layers."""
    twin = compare.twin(net)
    a = np.asarray(x, np.float64) * net.input_scale
    for i in range(layer):
        a = oracle.ACTIVATIONS[net.activation[i]][0](twin.weights[i] @ a + twin.biases[i])
    return twin.weights[layer][neuron] @ a + twin.biases[layer][neuron]


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_saliency_is_the_scores_gradient(output):
    net = network(output=output, input_scale=0.5)
    x = np.random.Generator(np.random.Philox(1)).normal(size=(4, 9))
    found = fw.looking.saliency(net, x)
    assert found.shape == x.shape
    for row, g in zip(x, found, strict=True):
        best = int(np.argmax(net(row)))
        steps = np.eye(9) * 1e-6
        wanted = [
            (score(net, row + s, 2, best) - score(net, row - s, 2, best)) / 2e-6 for s in steps
        ]
        compare.assert_close(g, np.array(wanted), 1e-7)
        with pytest.raises(AssertionError):
            compare.assert_close(g[::-1], np.array(wanted), 1e-7)
    compare.assert_close(fw.looking.saliency(net, x[0], 1), fw.looking.saliency(net, x, 1)[0], 0)
    assert not np.allclose(fw.looking.saliency(net, x[0], 0), fw.looking.saliency(net, x[0], 1))


@pytest.mark.parametrize("layer", [0, 1, 2, -1])
def test_excite_goes_uphill(layer):
    net = network()
    for start in (None, np.full(9, 0.5)):
        found = fw.looking.excite(net, layer, 2, start=start)
        before = np.zeros(9) if start is None else start
        assert score(net, found, layer % 3, 2) > score(net, before, layer % 3, 2) + 0.1
        assert found.min() >= 0
        assert found.max() <= 1
    low = fw.looking.excite(net, layer, 2, bounds=(-2, 2), decay=0.0)
    assert low.min() < 0
    free = fw.looking.excite(net, layer, 2, bounds=(-2, 2), decay=0.0)
    held = fw.looking.excite(net, layer, 2, bounds=(-2, 2), decay=0.1)
    assert np.linalg.norm(held) < 0.8 * np.linalg.norm(free)  # the penalty keeps it small
    if layer == 0:  # where what excites most is known: each input at the end that its weight says
        wanted = np.where(net.weights[0][2] > 0, 2.0, -2.0)
        np.testing.assert_array_equal(np.sign(low), np.sign(wanted))


@pytest.mark.parametrize("scale", [1 / 255, 4.0, -0.5])
def test_excite_goes_to_the_ends_of_what_an_input_may_be(scale):
    net = network(input_scale=scale)
    found = fw.looking.excite(net, 0, 2, steps=400, decay=0.0)
    up = net.weights[0][2] * scale > 0  # more of the input excites
    wanted = np.where(up, max(0, 1 / scale), min(0, 1 / scale))
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_excite_with_inputs_that_are_turned_round():
    net = network(input_scale=-0.5)
    found = fw.looking.excite(net, 0, 2)
    assert found.min() >= -2
    assert found.max() <= 0
    assert score(net, found, 0, 2) > score(net, np.zeros(9), 0, 2) + 0.1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [2.3e-308, 1e-300, 1e300, 1e308])
@pytest.mark.parametrize(
    ("bounds", "rate"), [((0, 1), 0.05), ((-1e308, 1e308), 0.05), ((-1e308, 1e308), 1e10)]
)
def test_excite_is_finite_whatever_the_gradients_size(size, bounds, rate):
    net = network((3, 2), output="identity")
    net.weights[0] = [[size, 0.0, -size], [0.0, 0.0, 0.0]]
    found = fw.looking.excite(net, 0, 0, bounds=bounds, rate=rate)
    net.weights[0] = [[1.0, 0.0, -1.0], [0.0, 0.0, 0.0]]
    wanted = fw.looking.excite(net, 0, 0, bounds=bounds, rate=rate)
    np.testing.assert_array_equal(found, wanted)
    assert bounds[0] <= found[2] <= found[1] == 0 < found[0] <= bounds[1]


def test_subnormal_weights_excite_nothing():
    """They count as 0."""
    net = network((3, 2), output="identity")
    net.weights[0] = [[1e-320, 0.0, -1e-320], [0.0, 0.0, 0.0]]
    with pytest.warns(RuntimeWarning, match="no gradient was found"):
        assert not fw.looking.excite(net, 0, 0).any()


def test_excite_says_when_nothing_excites():
    net = network(hidden="relu")
    net.biases[0] = [-50] * 5
    with pytest.warns(RuntimeWarning, match="no gradient was found that excites neuron 1"):
        assert not fw.looking.excite(net, 1, 1).any()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda n: fw.looking.excite(n, 3, 0), "layer: expected -3 to 2, found 3"),
        (lambda n: fw.looking.excite(n, 0, 5), "neuron: expected 0 to 4, found 5"),
        (lambda n: fw.looking.excite(n, 0, 0, start=np.ones(8)), r"start: expected shape \(9,\)"),
        (lambda n: fw.looking.excite(n, 0, 0, bounds=(1, 0)), "bounds: expected two finite"),
        (lambda n: fw.looking.excite(n, 0, 0, bounds=(0, 1, 2)), r"found \(0, 1, 2\)"),
        (lambda n: fw.looking.excite(n, 0, 0, bounds="01"), "bounds: expected two finite"),
        (lambda n: fw.looking.excite(n, 0, 0, bounds=1), "bounds: expected two finite"),
        (lambda n: fw.looking.excite(n, 0, 0, start=[np.nan] * 9), "start: expected finite"),
        (lambda n: fw.looking.excite(n, 0, 0, steps=0), "steps: expected at least 1"),
        (lambda n: fw.looking.saliency(n, np.ones(8)), r"x: expected shape \(9,\)"),
        (lambda n: fw.looking.saliency(n, np.ones(9), 3), "target: expected 0 to 2, found 3"),
        (lambda n: n.diagram(np.ones(8)), r"x: expected one input of shape \(9,\)"),
        (lambda n: n.diagram([np.inf] * 9), "activations: expected finite numbers, found inf"),
        (lambda n: n.diagram(most=1), "most: expected at least 2"),
    ],
)
def test_refusals(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(network())


# ---- the layout
def test_what_is_drawn_of_a_wide_layer():
    net = network((40, 5, 3))
    w = net.weights[0].copy()
    w[:, [7, 30]] = 9.0
    net.weights[0] = w
    columns = diagram.columns(net, most=6)
    assert [len(c.neurons) for c in columns] == [6, 5, 3]
    assert {7, 30} <= set(columns[0].neurons)
    assert [c.size for c in columns] == [40, 5, 3]
    x = np.zeros(40)
    x[[3, 4, 39]] = (1, -2, 0.5)
    lit = diagram.columns(net, x, most=6)
    assert {3, 4, 39} <= set(lit[0].neurons)
    at = list(lit[0].neurons).index(4)
    assert lit[0].light[at] == -1.0
    assert lit[0].light[list(lit[0].neurons).index(3)] == 0.5
    assert (lit[1].top, lit[2].top) == (1.0, 1.0)  # tanh and softmax can't be larger
    np.testing.assert_array_equal(lit[2].light, lit[2].values)
    assert all(np.all(np.diff(c.y) >= 1) for c in columns)


def test_inputs_are_chosen_by_what_they_bring():
    """Of many pixels that are equally bright, those whose weights are largest."""
    net = network((100, 5, 3))
    w = 0.01 * net.weights[0]
    strong = [11, 37, 62, 88]
    w[:, strong], w[:, 50] = 1.0, 9.0
    net.weights[0] = w
    x = np.ones(100)
    x[50] = 0
    (first, *_) = diagram.columns(net, x, most=4)
    assert list(first.neurons) == strong
    np.testing.assert_array_equal(first.image, x.reshape(10, 10))
    places = [(y + 6, x + 6) for x, y in zip(first.x, first.y, strict=True)]
    np.testing.assert_allclose(places, [((n // 10 + 0.5) * 1.2, (n % 10 + 0.5) * 1.2)
                                        for n in strong])  # fmt: skip


def test_the_largest_weights_are_drawn():
    net = network((4, 3, 2))
    lines = diagram.lines(net, diagram.columns(net), most=5)
    for i, w in enumerate(net.weights):
        drawn = sorted(abs(n.weight) for n in lines if n.column == i)
        np.testing.assert_array_equal(drawn, np.sort(np.abs(w).ravel())[-5:])
        assert all(w[n.end, n.start] == n.weight for n in lines if n.column == i)

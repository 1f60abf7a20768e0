"""What is written into the padding of `Network.parameters` has no effect on anything."""

import pickle
import threading

import numpy as np
import pytest

import compare
import featherweight as fw

SIZES = (5, 7, 18, 3)
PADDING = [0.3, 1e3, -1e30, np.nan, np.inf]
OPTIMIZERS = [
    lambda: fw.SGD(0.1),
    lambda: fw.SGD(0.1, momentum=0.9, weight_decay=0.1),
    lambda: fw.Adam(0.01),
    lambda: fw.AdamW(0.01),
    lambda: fw.RMSprop(0.01, momentum=0.9, centered=True),
    lambda: fw.LBFGS(),
]
LIMITS = [{}, {"l2": 0.01}, {"clip_norm": 0.1}, {"clip_value": 0.01}]
LIMITS += [{"l2": 0.01, "clip_norm": 0.1}]
EVENTS = ["on_train_begin", "on_epoch_begin", "on_epoch_end", "on_batch_end"]


def padding(net):
    """A mask of the packed parameters, made from their layout as documented."""
    found = []
    for inputs, outputs in zip(net.sizes, net.sizes[1:], strict=False):
        panels = -(-outputs // 16)
        beyond = np.arange(panels * 16).reshape(panels, 1, 16) >= outputs
        found += [np.broadcast_to(beyond, (panels, inputs, 16)).ravel(), beyond.ravel()]
    return np.concatenate(found)


def network(activation="tanh", **options):
    return fw.Network(SIZES, activation, rng=1, **options)


def data(dtype):
    rng = np.random.Generator(np.random.Philox(6))
    return rng.normal(size=(40, SIZES[0])).astype(dtype), rng.integers(0, 3, 40)


def write(net, value):
    mask = padding(net)
    real = net.parameters.copy()
    net.parameters[mask] = value
    assert mask.sum() == mask.size - net.parameter_count
    compare.assert_same_bits(net.parameters[~mask], real[~mask])


def parameters(net):
    return net.parameters[~padding(net)]


@pytest.mark.parametrize("value", PADDING)
@pytest.mark.parametrize("activation", fw._core.activations())
def test_answers(activation, value, isa, dtype):
    net, plain = (network(activation, isa=isa, dtype=dtype) for _ in range(2))
    x, y = data(dtype)
    write(net, value)
    compare.assert_same_bits(net(x), plain(x))
    for a, b in zip(net.activations(x), plain.activations(x), strict=True):
        compare.assert_same_bits(a, b)
    assert net.evaluate(x, y) == plain.evaluate(x, y)
    (loss, found), (expected_loss, expected) = net.gradients(x, y), plain.gradients(x, y)
    assert loss == expected_loss
    for name in ("weights", "biases"):
        for a, b in zip(getattr(found, name), getattr(expected, name), strict=True):
            compare.assert_same_bits(a, b)
    compare.assert_same_bits(found.input, expected.input)
    flat = net.gradients(x, y, flat=True)[1]
    assert not flat[padding(net)].any()
    assert pickle.dumps(net.__getstate__()) == pickle.dumps(plain.__getstate__())


@pytest.mark.parametrize("value", PADDING)
@pytest.mark.parametrize("limits", LIMITS, ids=str)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training(optimizer, limits, value, dtype, tmp_path):
    if isinstance(optimizer(), fw.LBFGS) and set(limits) - {"l2"}:
        pytest.skip("L-BFGS takes no clipping")
    net, plain = network(dtype=dtype), network(dtype=dtype)
    x, y = data(dtype)
    write(net, value)
    found = net.fit(x, y, epochs=3, batch_size=8, optimizer=optimizer(), **limits)
    expected = plain.fit(x, y, epochs=3, batch_size=8, optimizer=optimizer(), **limits)
    assert found.loss == expected.loss
    compare.assert_same_bits(parameters(net), parameters(plain))
    net.save(tmp_path / "a.safetensors")
    plain.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize("value", PADDING)
@pytest.mark.parametrize("event", EVENTS)
def test_in_callbacks(event, value):
    net, plain = network(), network()
    x, y = data(np.float32)
    writes = type("Writes", (), {event: lambda self, state: write(state.network, value)})()
    options = dict(epochs=3, batch_size=8, l2=0.01, clip_norm=0.1)
    found = net.fit(x, y, callbacks=writes, **options)
    assert found.loss == plain.fit(x, y, **options).loss
    compare.assert_same_bits(parameters(net), parameters(plain))


@pytest.mark.parametrize("value", [np.nan, 1e3])
@pytest.mark.parametrize("limits", LIMITS[1:], ids=str)
def test_written_by_another_thread_during_training(limits, value):
    net, plain = network(), network()
    x, y = data(np.float32)
    mask, done, writes = padding(net), threading.Event(), 0
    options = dict(epochs=3000, batch_size=8, **limits)
    expected = plain.fit(x, y, **options)

    def write_on():
        nonlocal writes
        while not done.is_set():
            net.parameters[mask] = value
            writes += 1

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        found = net.fit(x, y, **options)
    finally:
        done.set()
        writer.join()
    assert writes
    assert found.loss == expected.loss
    compare.assert_same_bits(parameters(net), parameters(plain))


@pytest.mark.parametrize("value", PADDING)
def test_between_batches_and_at_their_end(value):
    net, plain = network(), network()
    x, y = data(np.float32)

    def batches():
        for i in range(0, 40, 8):
            write(net, value)
            yield x[i : i + 8], y[i : i + 8]
        write(net, value)

    net.fit(batches(), None, l2=0.01)
    plain.fit([(x[i : i + 8], y[i : i + 8]) for i in range(0, 40, 8)], None, l2=0.01)
    compare.assert_same_bits(parameters(net), parameters(plain))


@pytest.mark.parametrize("value", PADDING)
def test_steps_by_hand(value):
    net, plain = network(), network()
    x, y = data(np.float32)
    ours, theirs = fw.Adam(0.01), fw.Adam(0.01)
    for _ in range(3):
        write(net, value)
        flat = net.gradients(x, y, flat=True)[1]
        flat[padding(net)] = value
        ours.step(net, flat, clip_norm=0.1, l2=0.01)
        theirs.step(plain, plain.gradients(x, y)[1], clip_norm=0.1, l2=0.01)
    compare.assert_same_bits(parameters(net), parameters(plain))


def test_a_real_parameter_has_an_effect():
    """The twin: the same, written beside the padding, is noticed."""
    net, plain = network(), network()
    x, y = data(np.float32)
    net.parameters[np.flatnonzero(~padding(net))[3]] += 0.3
    assert not np.array_equal(net(x), plain(x))
    assert net.fit(x, y).loss != plain.fit(x, y).loss


def test_all_parameters_at_once(dtype):
    """`set_parameters` of the core takes a flat array, whose padding is left out."""
    net, other = network(dtype=dtype), fw.Network(SIZES, "tanh", rng=2, dtype=dtype)
    values = other.parameters.copy()
    values[padding(net)] = np.nan
    net._core.set_parameters(values)
    compare.assert_same_bits(net.parameters, other.parameters)
    with pytest.raises(ValueError, match="expected a flat array"):
        net._core.set_parameters(values[1:])


def test_a_network_takes_them_of_any_real_dtype(dtype):
    net, other = network(dtype=dtype), fw.Network(SIZES, "tanh", rng=2, dtype=dtype)
    for values in (other.parameters, other.parameters.astype(">f8"), other.parameters.tolist()):
        net.set_parameters(np.zeros(other.parameters.size, np.uint8))
        assert not net.parameters.any()
        net.set_parameters(values)
        compare.assert_same_bits(net.parameters, other.parameters)
    before = net.parameters.copy()
    for wrong in (before[1:], before[None], 1.0, []):
        with pytest.raises(ValueError, match=r"^values: expected shape \(\d+,\), found \("):
            net.set_parameters(wrong)
    with pytest.raises(TypeError, match=r"^values: expected real numbers, found"):
        net.set_parameters(before.astype(complex))

    refused = []

    def set_now():
        try:
            net.set_parameters(before)
        except RuntimeError as e:
            refused.append(e)

    def set_elsewhere(state):
        thread = threading.Thread(target=set_now)
        thread.start()
        thread.join()

    compare.assert_same_bits(net.parameters, before)
    net.fit(*data(dtype), epochs=2, callbacks=set_elsewhere)
    assert len(refused) == 2


def test_other_threads_see_all_of_them_or_none():
    """Two networks in turn: no answer is that of the one's first layer and the other's second."""
    nets = [fw.Network([64, 300, 300, 10], rng=i) for i in range(2)]
    values = [n.parameters.copy() for n in nets]
    x = np.random.Generator(np.random.Philox(1)).normal(size=(8, 64)).astype(np.float32)
    allowed = {n(x).tobytes() for n in nets}
    net, done, found = fw.Network([64, 300, 300, 10], rng=0), threading.Event(), set()

    def ask():
        while not done.is_set():
            found.add(net(x).tobytes())

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i in range(400):
        net.set_parameters(values[i % 2])
    done.set()
    for thread in threads:
        thread.join()
    assert found <= allowed

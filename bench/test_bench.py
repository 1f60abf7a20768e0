"""featherweight beside NumPy by hand, on one thread: a row, a batch, an epoch.

    OPENBLAS_NUM_THREADS=1 python -m pytest bench --benchmark-enable --benchmark-group-by=group

Each case asserts first that both give the same answer, and that the comparison would notice if they
did not. Compare the two lines of a group with each other (their minima), not with another run's.
"""

import numpy as np
import pytest

import featherweight as fw

NETS = {
    "784-16-16-10 sigmoid": ([784, 16, 16, 10], "sigmoid"),
    "784-512-512-10 relu": ([784, 512, 512, 10], "relu"),
}
PEERS = [*fw.isas(), "NumPy"]
RATE, BATCH = 0.1, 32


def act(name, z):
    return 1 / (1 + np.exp(-z)) if name == "sigmoid" else np.maximum(z, 0)


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def numpy_forward(name, weights, biases, x):
    """Return every layer's activations, the input first."""
    a = [x]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        a.append(act(name, a[-1] @ w.T + b))
    a.append(softmax(a[-1] @ weights[-1].T + biases[-1]))
    return a


def numpy_epoch(name, weights, biases, x, targets):
    """One epoch of mini-batch gradient descent on the cross-entropy, in place."""
    for first in range(0, len(x), BATCH):
        t = targets[first : first + BATCH]
        a = numpy_forward(name, weights, biases, x[first : first + BATCH])
        dz = (a[-1] - t) / np.float32(len(t))
        for i in range(len(weights) - 1, -1, -1):
            dw, db = dz.T @ a[i], dz.sum(axis=0)
            if i:
                slope = a[i] * (1 - a[i]) if name == "sigmoid" else (a[i] > 0)
                dz = (dz @ weights[i]) * slope
            weights[i] -= np.float32(RATE) * dw
            biases[i] -= np.float32(RATE) * db


def same(a, b, rtol):
    """Whether two results agree within rtol of the largest element."""
    return bool(np.abs(a - b).max() <= rtol * np.abs(b).max())


def check(found, expected, rtol):
    assert same(found, expected, rtol)
    spoilt = expected.copy()
    spoilt.flat[-1] += 2 * rtol * np.abs(expected).max()
    assert not same(spoilt, expected, rtol), "the comparison would not notice an error"


@pytest.fixture(scope="module")
def digits():
    train = fw.data.digits().train
    return train.images.astype(np.float32) / np.float32(255), train.labels


def skip_slow_scalar(peer, heavy):
    if peer == "scalar" and heavy:
        pytest.skip("the scalar path is the reference, not for speed")


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("rows", [1, 10000])
def test_forward(benchmark, digits, name, rows, peer):
    sizes, activation = NETS[name]
    skip_slow_scalar(peer, rows > 1 and sizes[1] > 100)
    benchmark.group = f"forward, {rows} rows, {name}"
    x = digits[0][0] if rows == 1 else digits[0][:rows]
    net = fw.Network(sizes, activation, rng=0, threads=1, isa=None if peer == "NumPy" else peer)
    weights, biases = list(net.weights), list(net.biases)
    check(net(x), numpy_forward(activation, weights, biases, x)[-1], 1e-5)
    if peer == "NumPy":
        benchmark(lambda: numpy_forward(activation, weights, biases, x)[-1])
    else:
        benchmark(net, x)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", NETS)
def test_epoch(benchmark, digits, name, peer):
    sizes, activation = NETS[name]
    heavy = sizes[1] > 100
    skip_slow_scalar(peer, heavy)
    benchmark.group = f"epoch, 10,000 rows, SGD, batch {BATCH}, {name}"
    x, labels = digits
    targets = np.eye(10, dtype=np.float32)[labels]
    net = fw.Network(sizes, activation, rng=0, threads=1, isa=None if peer == "NumPy" else peer)
    weights, biases = [w.copy() for w in net.weights], [b.copy() for b in net.biases]

    def ours(rows):
        net.fit(
            x[:rows],
            labels[:rows],
            batch_size=BATCH,
            optimizer=fw.SGD(RATE),
            shuffle=False,
            progress=False,
        )

    ours(1000)
    numpy_epoch(activation, weights, biases, x[:1000], targets[:1000])
    # 32 steps of float32 from the same start: roundings grow, but not to a thousandth
    for w, expected in zip(net.weights, weights, strict=True):
        check(w, expected, 1e-3)
    rounds = 2 if heavy else 5
    if peer == "NumPy":
        benchmark.pedantic(numpy_epoch, (activation, weights, biases, x, targets), rounds=rounds)
    else:
        benchmark.pedantic(ours, (len(x),), rounds=rounds)

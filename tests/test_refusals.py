"""Wrong arguments: refused in one sentence, naming what was expected and found, nothing changed."""

import sys

import numpy as np
import pytest

import featherweight as fw


def small():
    return fw.Network([5, 4, 3], rng=0)


BAD = [
    (dict(sizes=[5]), ValueError, "sizes: expected at least 2"),
    (dict(sizes=[]), ValueError, "sizes: expected at least 2"),
    (dict(sizes=[5, 0]), ValueError, r"sizes\[1\]: expected at least 1, found 0"),
    (dict(sizes=[-5, 3]), ValueError, r"sizes\[0\]: expected at least 1, found -5"),
    (dict(sizes=[True, 3]), TypeError, r"sizes\[0\]: expected a whole number, found True"),
    (dict(sizes=[5.0, 3]), TypeError, r"sizes\[0\]: expected a whole number, found 5.0"),
    (dict(sizes="53"), TypeError, "sizes: expected a sequence"),
    (dict(sizes=5), TypeError, "sizes: expected a sequence"),
    (dict(sizes=[2**31, 2**31]), ValueError, "sizes: expected parameters that fit"),
    (dict(sizes=[2**62, 2**62]), ValueError, "sizes: expected parameters that fit"),
    (dict(sizes=[10**30, 3]), ValueError, "sizes: expected parameters that fit"),
    (dict(activation="relo"), ValueError, "activation: found 'relo', did you mean .*'relu'"),
    (dict(activation=["relu", "tanh"]), ValueError, "activation: expected 1 name, one for each"),
    (dict(activation=["tahn"]), ValueError, r"activation\[0\]: found 'tahn', did you mean 'tanh'"),
    (dict(activation=3), TypeError, "activation: expected a name or a sequence"),
    (dict(activation=[None]), TypeError, r"activation\[0\]: expected a name"),
    (dict(output="sofmax"), ValueError, "output: found 'sofmax', did you mean 'softmax'"),
    (dict(sizes=[5, 1]), ValueError, "output: expected at least 2 outputs for softmax, found 1"),
    (dict(dtype=np.int32), ValueError, "dtype: expected float32 or float64, found int32"),
    (dict(dtype="float33"), TypeError, "dtype: expected float32 or float64"),
    (dict(dtype=np.float16), ValueError, "dtype: expected float32 or float64"),
    (dict(dtype=">f4" if sys.byteorder == "little" else "<f4"), ValueError, "dtype: expected"),
    (dict(input_scale=0), ValueError, "input_scale: expected a finite number other than 0"),
    (dict(input_scale=1e-60), ValueError, "input_scale: expected a finite number other than 0"),
    (dict(input_scale=np.nan), ValueError, "input_scale: expected a finite number"),
    (dict(input_scale="1"), TypeError, "input_scale: expected a real number"),
    (dict(threads=0), ValueError, "threads: expected 1 to 1024, found 0"),
    (dict(threads=1.5), TypeError, "threads: expected a whole number"),
    (dict(threads=True), TypeError, "threads: expected a whole number"),
    (dict(isa="sse9"), ValueError, "isa: expected one of scalar, .*found 'sse9'"),
    (dict(isa=3), TypeError, "isa: expected a name or None"),
]


@pytest.mark.parametrize(("options", "error", "match"), BAD)
def test_refused_by_the_constructor(options, error, match):
    with pytest.raises(error, match=match) as info:
        fw.Network(**{"sizes": [5, 4, 3], **options})
    assert "\n" not in str(info.value)


X = np.linspace(-1, 1, 20, dtype=np.float32).reshape(4, 5)
Y = np.array([0, 1, 2, 0])
CALLS = [
    (lambda n: n(X[:, :4]), ValueError, r"x: expected shape \(5,\) or \(rows, 5\), found \(4, 4\)"),
    (lambda n: n(X[np.newaxis]), ValueError, r"x: expected shape .* found \(1, 4, 5\)"),
    (lambda n: n(3.0), ValueError, r"x: expected shape .* found \(\)"),
    (lambda n: n(X + 1j), TypeError, "x: expected real numbers, found .*complex"),
    (lambda n: n(np.full((4, 5), "a")), TypeError, "x: expected real numbers"),
    (lambda n: n([[1, 2], [3]]), ValueError, "x: expected numbers, found rows of unequal length"),
    (lambda n: n(X, out=[1]), TypeError, "out: expected an array, found list"),
    (
        lambda n: n.fit(X, Y[:3]),
        ValueError,
        r"y: expected shape \(4,\) of class labels or \(4, 3\)",
    ),
    (lambda n: n.fit(X, Y + 1), ValueError, "y: expected class labels from 0 to 2, found 3"),
    (lambda n: n.fit(X, Y - 1), ValueError, "y: expected class labels from 0 to 2, found -1"),
    (lambda n: n.fit(X, Y + 0.5), ValueError, "y: expected whole class labels .* found 0.5"),
    (lambda n: n.fit(X, Y * np.nan), ValueError, "y: expected whole class labels .* found nan"),
    (lambda n: n.fit(X, np.full((4, 3), np.nan)), ValueError, "y: expected finite values"),
    (lambda n: n.fit(X, np.full((4, 3), np.inf)), ValueError, "y: expected finite values"),
    (lambda n: n.fit(X, np.full((4, 3), 2.0)), ValueError, "y: expected, for cross_entropy"),
    (lambda n: n.fit(X, Y + 0j), TypeError, "y: expected real numbers"),
    (lambda n: n.fit(X[:0], Y[:0]), ValueError, "x: expected at least one row"),
    (lambda n: n.fit(X, Y, epochs=-1), ValueError, "epochs: expected at least 0, found -1"),
    (lambda n: n.fit(X, Y, epochs=1.0), TypeError, "epochs: expected a whole number, found 1.0"),
    (lambda n: n.fit(X, Y, batch_size=0), ValueError, "batch_size: expected at least 1, found 0"),
    (lambda n: n.fit(X, Y, batch_size=True), TypeError, "batch_size: expected a whole number"),
    (lambda n: n.fit(X, Y, optimizer="adam"), TypeError, "optimizer: expected SGD, Adam, AdamW"),
    (lambda n: n.fit(X, Y, loss="mes"), ValueError, "loss: found 'mes', did you mean 'mse'"),
    (
        lambda n: n.fit(X, Y, loss="binary_cross_entropy"),
        ValueError,
        "loss: expected output='sigmoid' with 'binary_cross_entropy', found output='softmax'",
    ),
    (lambda n: n.fit(X, Y, rng="a"), TypeError, "rng: expected"),
    (
        lambda n: n.fit(X, Y, progress="yes"),
        ValueError,
        "progress: expected True, False, 'auto' or 'lines'",
    ),
    (lambda n: n.fit(X, Y, callbacks=[3]), TypeError, "callbacks: expected callables"),
    (lambda n: n.fit(X, Y, validation_data=X), TypeError, r"validation_data: expected \(x, y\)"),
    (lambda n: n.fit(X, Y, validation_data=(X, Y + 1)), ValueError, "validation y: expected class"),
    (
        lambda n: n.fit(X, Y, validation_data=(X[:0], Y[:0])),
        ValueError,
        "validation_data: expected at least one row",
    ),
    (lambda n: n.fit(X, Y, sample_weight=[1]), ValueError, r"sample_weight: expected shape \(4,\)"),
    (lambda n: n.fit(X, Y, sample_weight=[1, 1, 1, -1]), ValueError, "sample_weight: .* found -1"),
    (lambda n: n.fit(X, Y, sample_weight=[0] * 4), ValueError, "sample_weight: .* only zeros"),
    (
        lambda n: n.fit(X, Y, sample_weight=[1, 0, 0, 1], rows=[1, 2]),
        ValueError,
        "sample_weight: expected a weight above 0, found only zeros",
    ),
    (lambda n: n.fit(X, Y, shuffle="no"), TypeError, "shuffle: expected True or False, found 'no'"),
    (lambda n: n.backward(X, np.ones((4, 3)) * 1j), TypeError, "dy: expected real numbers"),
    (lambda n: n.backward(X, "a"), TypeError, "dy: expected real numbers"),
    (lambda n: n.backward(X, [[1, 2, 3], [3]]), ValueError, "dy: expected numbers, found rows of"),
    (lambda n: n.gradients(X, Y[:2]), ValueError, "y: expected shape"),
    (lambda n: n.score(X, Y[:2]), ValueError, "y: expected shape"),
    (lambda n: n.evaluate(X, Y, loss=3), TypeError, "loss: expected a name"),
    (lambda n: n.weights.__setitem__(0, X[:3]), ValueError, r"weights\[0\]: expected shape"),
    (lambda n: n.weights.__setitem__(0, X.T), ValueError, r"found \(5, 4\)"),
    (lambda n: n.biases.__setitem__(1, [1j] * 3), TypeError, r"biases\[1\]: expected real numbers"),
    (lambda n: n.weights.__setitem__(2, X), IndexError, "weights: expected a layer from -2 to 1"),
    (lambda n: n.weights[0.5], TypeError, "weights index: expected a whole number"),
    (lambda n: n.weights[0].__setitem__((0, 0), 1), ValueError, "read-only"),
    (lambda n: fw.SGD(np.nan), ValueError, "lr: expected a finite number at least 0, found nan"),
    (lambda n: fw.SGD(np.inf), ValueError, "lr: expected a finite number"),
    (lambda n: fw.SGD(-0.1), ValueError, "lr: expected a finite number at least 0, found -0.1"),
    (lambda n: fw.SGD("0.1"), TypeError, "lr: expected a real number"),
    (lambda n: fw.SGD(0.1, momentum=1.0), ValueError, "momentum: .*at least 0 and below 1"),
    (lambda n: fw.SGD(0.1, nesterov=True), ValueError, "nesterov: expected a momentum above 0"),
    (lambda n: fw.Adam(betas=0.9), ValueError, "betas: expected two numbers"),
    (lambda n: fw.Adam(betas=(0.9, 1.0)), ValueError, r"betas\[1\]: "),
    (lambda n: fw.Adam(eps=0), ValueError, "eps: "),
    (lambda n: fw.SGD(0.1, 0.9, nesterov="no"), TypeError, "nesterov: expected True or False"),
    (lambda n: setattr(fw.SGD(0.1), "momentum", 5.0), ValueError, "momentum: .*below 1, found 5.0"),
    (lambda n: setattr(fw.SGD(0.1), "lr", np.nan), ValueError, "lr: expected a finite number"),
    (lambda n: setattr(fw.SGD(0.1), "schedule", 3), TypeError, "schedule: expected a schedule"),
    (lambda n: fw.LBFGS(0), ValueError, "history_size: expected at least 1, found 0"),
    (lambda n: fw.LBFGS(max_eval=0.5), TypeError, "max_eval: expected a whole number, found 0.5"),
    (lambda n: setattr(fw.Adam(), "betas", (2, 3)), ValueError, r"betas\[0\]: .*below 1, found 2"),
    (lambda n: n.fit(X, Y, resume=3), TypeError, "resume: expected a str or a path, found 3"),
    (lambda n: fw.Checkpoint(None), TypeError, "path: expected a str or a path, found None"),
    (
        lambda n: n.fit(X, Y, callbacks=fw.EarlyStopping),
        TypeError,
        "callbacks: expected an object, found the class EarlyStopping",
    ),
    (lambda n: fw.set_num_threads(0), ValueError, "threads: expected 1 to 1024"),
]


@pytest.mark.parametrize(("call", "error", "match"), CALLS)
def test_refused_by_a_call(call, error, match):
    net = small()
    before = net.parameters.copy()
    with pytest.raises(error, match=match) as info:
        call(net)
    assert "\n" not in str(info.value)
    assert np.array_equal(net.parameters, before)
    net.fit(X, Y)  # and the network isn't left locked
    assert not np.array_equal(net.parameters, before)

"""Arrays however they lie in memory: each argument takes them, with the bits of plain ones."""

import copy
import warnings

import numpy as np
import pytest

import compare
import featherweight as fw

ROWS, INPUTS, OUTPUTS = 40, 6, 3


def unaligned(a):
    found = np.frombuffer(bytearray(a.nbytes + 1), a.dtype, offset=1, count=a.size)
    found = found.reshape(a.shape)
    found[...] = a
    assert not found.flags.aligned
    return found


def read_only(a):
    found = a.copy()
    found.flags.writeable = False
    return found


def field(a):
    """A field of a packed structured array."""
    table = np.zeros(len(a), [("pad", "u1"), ("value", a.dtype, a.shape[1:])])
    table["value"] = a
    return table["value"]


LAYOUTS = {
    "unaligned": unaligned,
    "field": field,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "unaligned big-endian": lambda a: unaligned(a.astype(a.dtype.newbyteorder(">"))),
    "strided": lambda a: np.repeat(a, 2, axis=0)[::2],
    "reversed": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "Fortran": np.asfortranarray,
    "read-only": read_only,
    "half": lambda a: a.astype(np.float16) if a.dtype.kind == "f" else a.astype(np.int16),
}


def data():
    """Of small whole numbers of eighths, which each type has exactly."""
    rng = np.random.default_rng(0)
    x = rng.integers(-16, 16, (ROWS, INPUTS)) / 8.0
    labels = rng.integers(0, OUTPUTS, ROWS)
    values = np.eye(OUTPUTS)[labels]
    weights = rng.integers(1, 8, ROWS) / 4.0
    return x, labels, values, weights


def fitted(net, *args, **options):
    history = net.fit(*args, rng=1, epochs=2, **options)
    return net.parameters.copy(), history.loss, history.val_loss


X, LABELS, VALUES, WEIGHTS = data()
NUMBERS = np.arange(ROWS)[5:]
UP = np.where(VALUES > 0, -0.5, 0.25)


def many(net, labels, rows, weights):
    twin = copy.deepcopy(net)
    fw.fit_many([net, twin], X, labels, rows=[rows, None], sample_weight=weights, rng=[1, 2])
    return net.parameters.copy(), twin.parameters.copy()


def assigned(net, weights, biases):
    net.weights[0], net.biases[0] = weights, biases
    return net.parameters.copy()


def stepped(net, gradients):
    fw.SGD(0.5).step(net, gradients)
    return net.parameters.copy()


def parts(net, lay):
    _, found = net.gradients(X, LABELS)
    return fw.Gradients(
        tuple(map(lay, found.weights)), tuple(map(lay, found.biases)), lay(found.input)
    )


def stopped(net, lay):
    """Callbacks that go on from arrays of a checkpoint."""
    stop = fw.EarlyStopping("loss")
    net.fit(X, LABELS, rng=1, callbacks=stop)
    state = stop.state_dict()
    state["weights"] = lay(state["weights"])
    stop.load_state_dict(state)
    stop.on_train_end(type("State", (), {"network": net})())
    return net.parameters.copy()


def scheduled(net, lay):
    """Rates by step that a schedule of one's own gives."""

    class Rates(fw.schedules.Schedule):
        by = "step"

        def rates(self, lr, t):
            return lay(lr / (1 + t))

    return fitted(net, X, LABELS, optimizer=fw.SGD(0.1, schedule=Rates()))


ARGUMENTS = {
    "call": lambda net, lay: net(lay(X)),
    "one row": lambda net, lay: net(lay(X)[3]),
    "predict": lambda net, lay: net.predict(lay(X)),
    "activations": lambda net, lay: net.activations(lay(X)),
    "fit x": lambda net, lay: fitted(net, lay(X), LABELS),
    "fit labels": lambda net, lay: fitted(net, X, lay(LABELS)),
    "fit values": lambda net, lay: fitted(net, X, lay(VALUES)),
    "fit all": lambda net, lay: fitted(net, lay(X), lay(LABELS), sample_weight=lay(WEIGHTS)),
    "sample_weight": lambda net, lay: fitted(net, X, LABELS, sample_weight=lay(WEIGHTS)),
    "rows": lambda net, lay: fitted(net, X, LABELS, rows=lay(NUMBERS)),
    "validation": lambda net, lay: fitted(
        net, X, LABELS, validation_data=(lay(X), lay(LABELS), lay(WEIGHTS))
    ),
    "batches": lambda net, lay: fitted(net, [(lay(X), lay(LABELS), lay(WEIGHTS))]),
    "partial_fit": lambda net, lay: net.partial_fit(lay(X), lay(VALUES)).loss,
    "fit_many": lambda net, lay: many(net, lay(LABELS), lay(NUMBERS), lay(WEIGHTS)),
    "gradients": lambda net, lay: net.gradients(lay(X), lay(LABELS), sample_weight=lay(WEIGHTS)),
    "backward": lambda net, lay: net.backward(lay(X), lay(UP)),
    "evaluate": lambda net, lay: net.evaluate(lay(X), lay(LABELS), sample_weight=lay(WEIGHTS)),
    "score": lambda net, lay: net.score(lay(X), lay(VALUES)),
    "weights": lambda net, lay: assigned(net, lay(X[:4]), lay(X[0, :4])),
    "flat gradients": lambda net, lay: stepped(net, lay(net.gradients(X, LABELS, flat=True)[1])),
    "gradients by layer": lambda net, lay: stepped(net, parts(net, lay)),
    "callbacks": stopped,
    "schedule": scheduled,
    "saliency": lambda net, lay: fw.looking.saliency(net, lay(X)),
    "excite": lambda net, lay: fw.looking.excite(net, 0, 1, start=lay(np.abs(X[0])), steps=3),
}
ROUNDED = {"flat gradients", "gradients by layer", "callbacks", "schedule"}  # by half precision


def flat(found):
    """All numbers of a result, in tuples or not."""
    if isinstance(found, (tuple, list)):
        return [n for part in found for n in flat(part)]
    return [np.asarray(found)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_each_argument_in_each_layout(argument, layout, dtype):
    if layout == "half" and argument in ROUNDED:
        pytest.skip("half precision has other numbers here")
    use, lay = ARGUMENTS[argument], LAYOUTS[layout]
    made = [
        fw.Network([INPUTS, 4, OUTPUTS], "tanh", rng=3, dtype=dtype, threads=1) for _ in range(2)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = flat(use(made[0], lay))
    wanted = flat(use(made[1], lambda a: a))
    assert len(found) == len(wanted) > 0
    for a, b in zip(found, wanted, strict=True):
        compare.assert_same_bits(a, b)


@pytest.mark.parametrize("layout", ["unaligned", "big-endian", "field", "Fortran"])
def test_without_a_copy_they_are_refused(layout, dtype):
    net = fw.Network([INPUTS, OUTPUTS], rng=0, dtype=dtype)
    x = X.astype(dtype)
    net(x, copy=False)
    with pytest.raises(ValueError, match="x: expected, with copy=False, an aligned array"):
        net(LAYOUTS[layout](x), copy=False)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # three epochs are few
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "half"])
@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_the_pair(kind, layout):
    sklearn = pytest.importorskip("featherweight.sklearn", reason="needs scikit-learn")
    lay, found = LAYOUTS[layout], []
    y = LABELS if kind == "MLPClassifier" else VALUES
    for way in (lay, lambda a: a):
        x = way(X)
        m = getattr(sklearn, kind)(hidden_layer_sizes=(4,), random_state=0, max_iter=3)
        m.fit(x, way(y), sample_weight=way(WEIGHTS), X_val=x, y_val=way(y))
        found.append([*m.coefs_, m.predict(x)])
    for a, b in zip(*found, strict=True):
        compare.assert_same_bits(a, b)


class Tensor:
    """An array of another library, by way of DLPack."""

    def __init__(self, array):
        self._array, self.ndim = array, array.ndim

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()

    def __array__(self, dtype=None):
        raise AssertionError("the array was to be read by way of DLPack")


def test_what_others_have_is_read_without_a_copy(dtype):
    net = fw.Network([INPUTS, OUTPUTS], rng=0, dtype=dtype)
    x = X.astype(dtype)
    for given in (Tensor(x), memoryview(x)):
        compare.assert_same_bits(net(given, copy=False), net(x))
    for given, found in ((Tensor(x.T.copy().T), f"{x.dtype} with strides"), (x.tolist(), "list")):
        with pytest.raises(ValueError, match=f"x: expected, with copy=False, .* found {found}"):
            net(given, copy=False)


def test_float64_becomes_the_nearest_float32():
    rng = np.random.Generator(np.random.Philox(5))
    some = [0.0, -0.0, np.inf, -np.inf, np.nan, 3.4028235e38, 3.4028235677973362e38, 1.2e-38, 1 / 3]
    a = np.concatenate([some, rng.normal(size=2000), np.ldexp(1.0 + rng.random(500), 100)])
    found = fw._core.to_float32(a)
    compare.assert_same_bits(found, a.astype(np.float32))
    assert found.shape == a.shape
    assert fw._core.to_float32(np.full((2, 3), 1e-40)).tolist() == [[0.0] * 3] * 2
    assert fw._core.to_float32(np.full((), 2.5)).shape == ()
    for lost in (3.402823567797337e38, -1e300):
        assert fw._core.to_float32(np.array([1.0, lost])) is None
    for refused in (np.ones((4, 4))[:, ::2], np.ones(3, np.float32), np.ones(4, ">f8")):
        with pytest.raises(ValueError, match="expected an aligned float64 array in C order"):
            fw._core.to_float32(refused)

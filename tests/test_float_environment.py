"""Our own floating-point environment: the same bits whatever the caller has set, and put back."""

import functools
import hashlib
import os
import pickle
import threading
import warnings

import numpy as np
import pytest

import compare
import featherweight as fw
import float_environment
import oracle

pytestmark = pytest.mark.skipif(
    not float_environment.available(), reason="the environment is set through glibc"
)
OPTIMIZERS = {
    "sgd": lambda: fw.SGD(0.1, weight_decay=0.01),
    "momentum": lambda: fw.SGD(0.1, momentum=0.9),
    "nesterov": lambda: fw.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: fw.Adam(0.01),
    "adamw": lambda: fw.AdamW(0.01),
    "rmsprop": lambda: fw.RMSprop(0.01, momentum=0.9, centered=True),
    "schedule": lambda: fw.Adam(schedule=fw.schedules.CosineAnnealingLR(7)),
    "steps": lambda: fw.SGD(momentum=0.9, schedule=fw.schedules.OneCycleLR(0.1, 60)),
    "lbfgs": lambda: fw.LBFGS(),
}
SIZES = (70, 33, 17, 3)
WEIGHTS = np.linspace(0, 1, 97)
TARGETS = np.outer(WEIGHTS, [1.0, 0.5, 0.25])


@functools.cache  # before anything is set: NumPy's own results depend on it
def data(dtype, rows=97):
    """Rows of ordinary size, rows near the smallest normal number, below it, and of both."""
    rng = np.random.Generator(np.random.Philox(5))
    x = rng.normal(size=(rows, SIZES[0]))
    tiny = float(np.finfo(dtype).tiny)
    x[rows // 4 : rows // 2] *= tiny * 4
    x[rows // 2 : 3 * rows // 4] *= tiny / 64
    x[3 * rows // 4 :, ::3] *= tiny
    return x, rng.integers(0, SIZES[-1], rows)


@functools.cache
def layouts(dtype):
    """The same rows in types and orders that are read in place, and that are converted."""
    x, _ = data(dtype)
    return x, x.astype(dtype), np.asfortranarray(x.astype(np.float32)), (x * 100).astype(np.int16)


@functools.cache
def weights(dtype):
    return make(dtype).weights[0].astype(np.float64) / 3 + 1e-9


class Digest:
    def __init__(self):
        self._hash = hashlib.sha256()

    def add(self, *arrays):
        for a in arrays:
            self._hash.update(np.ascontiguousarray(a).tobytes())

    def __str__(self):
        return self._hash.hexdigest()


def make(dtype, **options):
    return fw.Network(SIZES, ("tanh", "gelu"), rng=3, dtype=dtype, **options)


def compute(dtype, **options):
    """A digest of all that a network answers."""
    x, y = data(dtype)
    found = Digest()
    net = make(dtype, **options)
    found.add(net.parameters)
    for rows in layouts(dtype):
        found.add(net(rows), net(rows[3]), *net.activations(rows), net.predict(rows))
        found.add(net.evaluate(rows, y), net.score(rows, y))
        loss, gradients = net.gradients(rows, y, dropout=0.3, sample_weight=np.arange(97.0))
        found.add(loss, *gradients.weights, *gradients.biases, gradients.input)
    scaled = make(dtype, input_scale=1 / 255, **options)
    found.add(scaled.input_scale, scaled(x), pickle.loads(pickle.dumps(scaled))(x))
    scaled = fw.Network(SIZES, ("tanh", "gelu"), "sigmoid", rng=3, dtype=dtype, **options)
    found.add(scaled.gradients(x, TARGETS, output_weights=[0.1, 0.7, 0.3], flat=True)[1])
    gradients = net.backward(x, np.full((97, 3), 1e-3))
    fw.Adam(1e-3).step(net, gradients, clip_norm=0.1, l2=0.01)
    found.add(net.parameters)
    net.weights[0] = weights(dtype)
    found.add(net.parameters, *net.weights)
    return str(found)


def train(kind, dtype, **options):
    """A digest of networks trained in every way that there is."""
    x, y = data(dtype)
    found = Digest()

    def trained(x, y, **more):
        net = make(dtype, **options)
        history = net.fit(x, y, epochs=3, batch_size=10, optimizer=OPTIMIZERS[kind](), **more)
        found.add(net.parameters, history.loss, history.val_loss, history.accuracy, history.lr)

    trained(x, y)
    trained(x, y, callbacks=lambda state: None, l2=1e-3, class_weight="balanced")
    trained(x, y, validation_data=(x, y, WEIGHTS), metrics=["f1", "mse"])
    if kind != "lbfgs":
        trained(x, y, dropout=0.2, clip_norm=0.5, label_smoothing=0.1)
        trained([(x[:40], y[:40]), (x[40:], y[40:])], None)
        nets = [make(dtype, **options) for _ in range(3)]
        for history in fw.fit_many(nets, x, y, optimizer=OPTIMIZERS[kind](), epochs=2, threads=2):
            found.add(history.loss)
        found.add(*[net.parameters for net in nets])
    return str(found)


@pytest.fixture(scope="module")
def expected():
    kept = {}

    def get(function, *args):
        if args not in kept:
            weights(args[-1])
            kept[args] = function(*args)
        return kept[args]

    return get


@pytest.mark.parametrize("setting", float_environment.SETTINGS)
def test_answers_have_the_same_bits(setting, isa, dtype, expected):
    plain = expected(compute, dtype)
    with float_environment.set_to(setting) as word:
        found = compute(dtype, isa=isa, threads=2)
        assert float_environment.control() == word
    assert found == plain


@pytest.mark.parametrize("setting", float_environment.SETTINGS)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_training_has_the_same_bits(kind, setting, dtype, expected):
    plain = expected(train, kind, dtype)
    with float_environment.set_to(setting) as word:
        found = train(kind, dtype, threads=2)
        assert float_environment.control() == word
    assert found == plain


def test_other_arithmetic_would_be_noticed():
    """The twin: NumPy's sums, in the same settings, do differ."""
    tiny = np.finfo(np.float32).tiny
    a = np.array([tiny / 4, 1.0, 1e-9, 3.0], np.float32)
    plain = (a * np.float32(0.3) + a.sum()).tobytes(), (a[:1] * np.float32(1)).tobytes()
    for setting in float_environment.SETTINGS:
        with float_environment.set_to(setting):
            found = (a * np.float32(0.3) + a.sum()).tobytes(), (a[:1] * np.float32(1)).tobytes()
        assert found != plain, setting
    assert str(Digest()) != (lambda d: (d.add(np.zeros(1)), str(d))[1])(Digest())


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
@pytest.mark.parametrize("setting", ["", *float_environment.SETTINGS])
def test_workers_compute_in_it_too(setting, threads, isa, dtype):
    """Rows that are all the same, below the smallest normal number, have the same answers."""
    rows, value = 20_000 if isa != "scalar" else 4_000, float(np.finfo(dtype).tiny) / 12
    x = np.full((rows, 40), value, dtype)
    net = fw.Network([40, 256], output="identity", rng=0, threads=threads, dtype=dtype, isa=isa)
    net.biases[0] = np.linspace(-1, 1, 256)
    with float_environment.set_to(setting):
        y = net(x)
    compare.assert_same_bits(y, np.tile(net.biases[0], (rows, 1)))


@pytest.mark.parametrize("event", ["on_train_begin", "on_epoch_begin", "on_batch_end"])
def test_callbacks_have_the_callers(event):
    """They run in the caller's environment; what they change of it stays, and changes no bit."""
    x, y = data(np.float32)
    net, seen = make(np.float32), []
    before = float_environment.control()
    with float_environment.set_to("up") as word, float_environment.set_to("down") as other:

        def look(state):
            seen.append(float_environment.control())
            float_environment.set_control(other if len(seen) % 2 else word)

        float_environment.set_control(word)
        callback = type("Looks", (), {event: staticmethod(look)})()
        net.fit(x, y, epochs=3, batch_size=50, callbacks=callback)
        left = float_environment.control()
    expected = [word, other] * len(seen)
    assert seen == expected[: len(seen)]
    assert len(seen) in (1, 3, 6)
    assert left == (other if len(seen) % 2 else word)
    assert float_environment.control() == before
    plain = make(np.float32)
    plain.fit(x, y, epochs=3, batch_size=50)
    compare.assert_same_bits(net.parameters, plain.parameters)


def test_batches_are_made_in_the_callers():
    x, y = data(np.float32)
    seen = []

    def batches():
        for part in (slice(0, 40), slice(40, 97)):
            seen.append(float_environment.control())
            yield x[part], y[part]

    with float_environment.set_to("up") as word:
        make(np.float32).fit(batches(), None)
    assert seen == [word, word]


@pytest.mark.parametrize("setting", ["", "ftz daz up"])
def test_errors_put_it_back(setting):
    x, y = data(np.float32)

    def fail(state):
        raise RuntimeError("stop")

    with float_environment.set_to(setting) as word:
        net = make(np.float32)
        with pytest.raises(RuntimeError, match="stop"):
            net.fit(x, y, callbacks=fail)
        assert float_environment.control() == word
        with pytest.raises(ValueError, match="expected"):
            net(x[:, 1:])
        with pytest.raises(FloatingPointError):
            net.fit(x * np.inf, y)
        with pytest.raises(ValueError, match="expected"):
            net.fit(x, y + 5)
        assert float_environment.control() == word


def test_threads_have_their_own():
    x, _ = data(np.float32)
    net, found = make(np.float32, threads=2), {}

    def run(setting):
        with float_environment.set_to(setting) as word:
            found[setting] = [net(x) for _ in range(20)]
            assert float_environment.control() == word

    threads = [threading.Thread(target=run, args=(s,)) for s in float_environment.SETTINGS]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for setting in float_environment.SETTINGS:
        for y in found[setting]:
            compare.assert_same_bits(y, net(x), setting)


# ---- subnormal numbers
@pytest.mark.parametrize("name", fw._core.activations())
def test_subnormal_inputs_and_weights_count_as_zero(name, isa, dtype):
    rng = np.random.Generator(np.random.Philox(9))
    x, net = (
        rng.normal(size=(37, 70)).astype(dtype),
        fw.Network((70, 33, 5), name, "identity", rng=1, dtype=dtype, isa=isa),
    )
    tiny = np.finfo(dtype).tiny
    mixed = x.copy()
    mixed[:, ::2] = (rng.uniform(-1, 1, (37, 35)) * tiny).astype(dtype)
    w = net.weights[0].copy()
    w[::3] = (rng.uniform(-1, 1, (11, 70)) * tiny).astype(dtype)
    net.weights[0] = w
    y = net(mixed)
    gradients = net.gradients(mixed, np.ones((37, 5)))[1]
    net.weights[0] = oracle.flushed(w, dtype)
    clean = oracle.flushed(mixed, dtype)
    assert (clean != mixed).any()
    assert (clean == 0).any()
    compare.assert_same_bits(y, net(clean))
    expected = net.gradients(clean, np.ones((37, 5)))[1]
    compare.assert_same_bits(gradients.weights[0], expected.weights[0])
    assert not np.array_equal(y, net(x))


def test_results_are_flushed(isa, dtype):
    """A sum's result below the smallest normal number is 0, of its sign; above it, it is kept."""
    tiny = np.finfo(dtype).tiny
    net = fw.Network([2, 1], output="identity", dtype=dtype, isa=isa)
    net.weights[0] = np.array([[1.0, -1.0]], dtype)
    x = np.array([[1.5, 1], [1, 1.5], [3, 1], [1, 3]], dtype) * tiny
    found = net(x)[:, 0]
    compare.assert_same_bits(found + 0, np.array([0, 0, 2 * tiny, -2 * tiny], dtype))


def test_a_script_that_loads_fast_mathematics(tmp_path):
    """A library linked with -ffast-math sets the flags of the thread that loads it."""
    from shutil import which
    from subprocess import run

    if which("gcc") is None:
        pytest.skip("gcc is not here to make such a library")
    (tmp_path / "fast.c").write_text("int fast(void) { return 1; }\n")
    made = run(
        ["gcc", "-ffast-math", "-shared", "-fPIC", "-o", "fast.so", "fast.c"],
        cwd=tmp_path, check=False, capture_output=True,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("gcc makes no shared library here")
    code = (
        "import ctypes, sys, numpy as np, featherweight as fw, float_environment as e\n"
        "net = fw.Network([40, 256], output='identity', rng=0, threads=2)\n"
        "x = np.full((20000, 40), 1e-39, np.float32)\n"
        "before = net(x).tobytes()\n"
        "word = e.control()\n"
        "ctypes.CDLL('./fast.so')\n"
        "print('changed' if e.control() != word else 'not changed')\n"
        "assert all(net(x).tobytes() == before for _ in range(5))\n"
    )
    import sys

    path = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    done = run(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("changed", "not changed")


# ---- scikit-learn's estimators
ESTIMATORS = {
    "adam": {},
    "sgd": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.01},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.01},
    "lbfgs": {"solver": "lbfgs"},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.3},
    "dropout": {"dropout": 0.2, "weight_decay": 0.01},
}


@functools.cache  # before anything is set
def rows_of(kind):
    """What estimators are given: rows as such, of whole numbers, in lists, and sparse."""
    rng = np.random.Generator(np.random.Philox(6))
    x = rng.normal(size=(60, 7))
    x[::4] *= 1e-307
    x[:, 0] = (1 << 60) + rng.integers(0, 1 << 12, 60)
    x[:, 0] /= 1 << 60
    y = rng.integers(0, 3, 60)
    if kind == "whole":
        return (x * 3).astype(np.int64), y
    if kind == "lists":
        return x.tolist(), y.tolist()
    if kind == "sparse":
        sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
        return sparse.csr_matrix(np.where(x > 0, x, 0)), y
    return (x.astype(np.float32) if kind == "float32" else x), y


def estimate(solver, kind):
    """A digest of all that estimators answer."""
    sklearn = pytest.importorskip("featherweight.sklearn", reason="scikit-learn is not installed")
    (x, y), found = rows_of(kind), Digest()
    weights, settings = WEIGHTS[:60], {"max_iter": 3, "random_state": 0} | ESTIMATORS[solver]

    def add(est):
        found.add(*est.coefs_, *est.intercepts_, est.loss_, est.score(x, y, weights))
        found.add(est.predict(x), est.transform(x), est.input_gradient(x))
        for name in ("loss_curve_", "validation_scores_"):
            found.add(np.array(getattr(est, name, None) or [0.0], float))
        if hasattr(est, "predict_proba"):
            found.add(est.predict_proba(x), est.predict_log_proba(x))

    for options in (
        {},
        {"class_weight": "balanced", "activation": "logistic"},
        {"output_activation": "logistic"},
    ):
        est = sklearn.MLPClassifier((9,), **settings, **options)
        add(est.fit(x, y, None if "early_stopping" in settings else weights))
    add(sklearn.MLPRegressor(hidden_layer_sizes=(9,), **settings).fit(x, y))
    add(sklearn.MLPRegressor(loss="poisson", hidden_layer_sizes=(9,), **settings).fit(x, y))
    if solver not in ("lbfgs", "early stopping"):
        est = sklearn.MLPClassifier((9,), **settings)
        for _ in range(2):
            est.partial_fit(x, y, weights, classes=[0, 1, 2])
        add(est)
    return str(found)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", ["float64", "float32", "whole", "lists", "sparse"])
@pytest.mark.parametrize("solver", ESTIMATORS)
def test_estimators_have_the_same_bits(solver, kind):
    plain = estimate(solver, kind)
    for setting in float_environment.SETTINGS:
        with float_environment.set_to(setting) as word:
            found = estimate(solver, kind)
            assert float_environment.control() == word
        assert found == plain, setting


def test_estimators_callbacks_have_the_callers():
    sklearn = pytest.importorskip("featherweight.sklearn", reason="scikit-learn is not installed")
    x, y = rows_of("float64")
    seen = []
    with float_environment.set_to("ftz daz up") as word:
        for solver in ("adam", "lbfgs"):
            est = sklearn.MLPRegressor(
                hidden_layer_sizes=(9,), solver=solver, max_iter=2, random_state=0,
                callbacks=lambda state: seen.append(float_environment.control()),
            )  # fmt: skip
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                est.fit(x, y)
        with pytest.raises(ValueError, match="NaN"):
            est.predict(np.full((2, 7), np.nan))
        with pytest.raises(ValueError, match="has 6 features"):
            est.predict(x[:, 1:])
        with pytest.raises(ValueError, match="inconsistent"):
            est.fit(x, y[1:])
        assert float_environment.control() == word
    assert len(seen) >= 3
    assert set(seen) == {word}

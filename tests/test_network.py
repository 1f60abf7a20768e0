"""The front door: construction, what a network is, and who may touch it when."""

import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

import featherweight as fw
from featherweight.model.model import RELU_FAMILY


def small(**options):
    return fw.Network([5, 4, 3], rng=0, **options)


def test_the_network_of_the_story():
    net = fw.Network([784, 16, 16, 10], activation="sigmoid", output="softmax", rng=0)
    assert net.sizes == (784, 16, 16, 10)
    assert net.parameter_count == 13002
    assert [w.shape for w in net.weights] == [(16, 784), (16, 16), (10, 16)]
    assert [b.shape for b in net.biases] == [(16,), (16,), (10,)]
    assert net.activation == ("sigmoid", "sigmoid")
    assert (net.output, net.dtype, net.input_scale) == ("softmax", np.float32, 1.0)
    assert repr(net).startswith("Network([784, 16, 16, 10], activation='sigmoid', output='softmax'")
    assert "13,002 parameters" in repr(net)


@pytest.mark.parametrize("name", fw._core.activations())
def test_initial_weights(name):
    """Within their limit, near it, centred, of the documented kind; biases 0."""
    net = fw.Network([60, 50, 40], name, "softmax", rng=1)
    he = name in RELU_FAMILY
    limits = [np.sqrt(6 / 60) if he else np.sqrt(6 / 110), np.sqrt(6 / 90)]
    for w, b, limit in zip(net.weights, net.biases, limits, strict=True):
        assert np.abs(w).max() <= limit
        assert np.abs(w).max() > 0.99 * limit
        assert abs(w.mean()) < 5 * limit / np.sqrt(3 * w.size)
        assert abs(w.std() / (limit / np.sqrt(3)) - 1) < 0.1
        assert not b.any()


def test_what_rng_takes():
    one = fw.Network([5, 3], rng=7).weights[0]
    assert np.array_equal(one, fw.Network([5, 3], rng=np.random.SeedSequence(7)).weights[0])
    assert np.array_equal(one, fw.Network([5, 3], rng=np.int64(7)).weights[0])
    seen = [one]
    generator = np.random.default_rng(7)
    for rng in (8, [7, 8], generator, generator, np.random.PCG64(3), None, None, 2**200):
        seen.append(fw.Network([5, 3], rng=rng).weights[0])
    assert len({w.tobytes() for w in seen}) == len(seen)
    for bad in (-1, "7", 1.5, True, [1.5]):
        with pytest.raises((TypeError, ValueError), match="rng: expected"):
            fw.Network([5, 3], rng=bad)


X = np.linspace(-1, 1, 20, dtype=np.float32).reshape(4, 5)
Y = np.array([0, 1, 2, 0])


def test_a_learning_rate_spoilt_later_is_refused():
    optimizer = fw.SGD(0.1)
    with pytest.raises(ValueError, match="lr: expected a finite number at least 0, found nan"):
        optimizer.lr = float("nan")
    assert optimizer.lr == 0.1


def test_parameters_are_the_buffer_itself():
    net = small()
    flat = net.parameters
    assert flat.size == 5 * 16 + 16 + 4 * 16 + 16
    assert np.shares_memory(flat, net.parameters)
    packed = flat[: 5 * 16].reshape(5, 16)
    assert np.array_equal(packed[:, :4].T, net.weights[0])
    assert not packed[:, 4:].any()
    y = net(X)
    flat[:] = 0
    assert not np.array_equal(net(X), y)
    del net
    gc.collect()
    assert flat.sum() == 0  # it keeps the network's memory alive


@pytest.mark.parametrize("optimizer", [fw.SGD(0.1), fw.SGD(0.1, 0.9, True), fw.Adam(0.1)])
def test_padding_stays_zero(optimizer, dtype):
    net = small(dtype=dtype)
    net.fit(X, Y, epochs=5, optimizer=optimizer)
    flat = net.parameters
    assert not flat[: 5 * 16].reshape(5, 16)[:, 4:].any()
    assert not flat[5 * 16 + 4 : 5 * 16 + 16].any()
    assert not flat[6 * 16 : 10 * 16].reshape(4, 16)[:, 3:].any()
    assert not flat[10 * 16 + 3 :].any()


def test_copies_are_independent_and_equal(dtype):
    net = fw.Network([5, 4, 3], ["gelu"], dtype=dtype, input_scale=0.5, rng=3, threads=2)
    net.fit(X, Y, epochs=2)
    for twin in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert repr(twin) == repr(net)
        assert twin.threads == 2
        assert np.array_equal(twin.parameters, net.parameters)
        twin.fit(X, Y)
        mine = copy.copy(net)
        mine.fit(X, Y)  # the generator went along: the same order of rows
        assert np.array_equal(twin.parameters, mine.parameters)
        assert not np.array_equal(twin.parameters, net.parameters)


@pytest.mark.parametrize("name", ["sizes", "activation", "output", "dtype", "input_scale", "isa"])
def test_what_is_fixed_cannot_be_assigned(name):
    with pytest.raises(AttributeError):
        setattr(small(), name, None)


def test_predict_and_score():
    net = small()
    y = net(X)
    assert np.array_equal(net.predict(X), y.argmax(axis=1))
    assert net.predict(X).dtype == np.int64
    assert net.predict(X[0]) == y[0].argmax()
    truth = y.argmax(axis=1)
    truth[0] = (truth[0] + 1) % 3
    assert net.score(X, truth) == 0.75
    assert net.score(X, np.eye(3)[truth]) == 0.75
    assert np.isnan(net.score(X[:0], Y[:0]))
    regressor = fw.Network([5, 2], output="identity", rng=0, dtype=np.float64)
    target = np.stack([Y, Y**2], axis=1).astype(float)
    rest = ((target - regressor(X)) ** 2).sum(axis=0)
    r2 = 1 - rest / ((target - target.mean(axis=0)) ** 2).sum(axis=0)
    assert regressor.score(X, target) == pytest.approx(r2.mean(), rel=1e-12)
    assert regressor.predict(X).shape == (4, 2)
    one = fw.Network([5, 1], output="identity", rng=0)
    assert one.predict(X).shape == (4,)
    sigmoid = fw.Network([5, 1], output="sigmoid", rng=0)
    assert np.array_equal(sigmoid.predict(X), (sigmoid(X)[:, 0] > 0.5).astype(int))
    assert sigmoid.score(X, sigmoid.predict(X)) == 1.0


def test_forward_from_many_threads():
    net = fw.Network([64, 48, 10], rng=0, threads=2)
    x = np.random.default_rng(0).random((2000, 64), np.float32)
    expected = net(x)
    wrong = []

    def work():
        for _ in range(20):
            if not np.array_equal(net(x), expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_another_thread_is_refused_while_one_trains():
    net = small()
    refused = {}

    def poke(state):
        def work():
            for name, use in {
                "call": lambda: net(X),
                "fit": lambda: net.fit(X, Y),
                "weights": lambda: net.weights[0],
                "assign": lambda: net.biases.__setitem__(0, np.zeros(4)),
                "gradients": lambda: net.gradients(X, Y),
                "copy": lambda: copy.copy(net),
            }.items():
                try:
                    use()
                except RuntimeError as e:
                    refused[name] = str(e)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        net(X)  # the callback itself may look
        with pytest.raises(RuntimeError, match="already being trained"):
            net.fit(X, Y)

    net.fit(X, Y, callbacks=poke)
    assert set(refused) == {"call", "fit", "weights", "assign", "gradients", "copy"}
    assert all("trained" in sentence for sentence in refused.values())
    net(X)


def test_an_object_whose_init_never_ran():
    core = fw._core.CoreNetwork.__new__(fw._core.CoreNetwork)
    trainer = fw._core.CoreTrainer.__new__(fw._core.CoreTrainer)
    samples = fw._core.CoreSamples.__new__(fw._core.CoreSamples)
    net, x = fw.Network([5, 5], output="identity"), np.zeros((1, 5), np.float32)
    for use in (
        lambda: core.isa,
        lambda: core.parameters(),
        lambda: core.forward(x, x),
        lambda: core.initialize(0, [1.0]),
        lambda: core.begin_fit(),
        lambda: fw._core.CoreTrainer(core, "mse", 1),
        lambda: trainer.evaluate(fw._core.CoreSamples(x, None, x, None)),
        lambda: fw._core.CoreTrainer(net._core, "mse", 1).evaluate(samples),
    ):
        with pytest.raises(RuntimeError, match="expected an object whose __init__ has run"):
            use()


def test_a_fork_computes_with_threads_of_its_own():
    net = fw.Network([784, 512, 10], rng=0, threads=2)
    x = np.ones((2000, 784), np.float32)
    expected = net(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of threads
        child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(net(x), expected) else 3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_interpreter_may_end_while_threads_compute():
    program = """
import threading, time, numpy as np, featherweight as fw
net = fw.Network([784, 512, 512, 10], threads=2)
other = fw.Network([784, 64, 10], rng=0)
x = np.ones((2000, 784), np.float32)
def forward():
    while True: net(x)
def train():
    while True: other.fit(x, np.zeros(2000, int))
for work in (forward, forward, train): threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
"""
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")


def test_threads(monkeypatch):
    monkeypatch.setattr("featherweight.support.threads._default", None)  # and put back at the end
    assert fw.get_num_threads() >= 1
    fw.set_num_threads(3)
    assert fw.get_num_threads() == 3
    assert small().threads == 3
    net = small(threads=2)
    net.threads = 5
    assert net.threads == 5


def test_openmp_s_variable_limits_the_default(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: range(8), raising=False)
    monkeypatch.setattr("featherweight.support.threads._cgroup_limit", lambda: 6.0)
    given = {"": 6, "1": 1, "3": 3, " 2 , 4 ": 2, "64": 6, "0": 6, "-1": 6, "many": 6, "1.5": 6}
    for value, threads in given.items():
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        assert fw.get_num_threads() == threads, value
        assert small().threads == threads
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert fw.get_num_threads() == 6
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # what a program says goes first
    monkeypatch.setattr("featherweight.support.threads._default", 4)
    assert fw.get_num_threads() == 4


def test_environment_chooses_the_instruction_set(monkeypatch):
    for isa in fw.isas():
        monkeypatch.setenv("FEATHERWEIGHT_ISA", isa)
        assert small().isa == isa
        assert small(isa="scalar").isa == "scalar"
    monkeypatch.setenv("FEATHERWEIGHT_ISA", "vax")
    with pytest.raises(ValueError, match=r"isa: expected one of .* found 'vax'"):
        small()


def test_progress_bar(capsys):
    small().fit(X, Y, epochs=2, progress=True)
    shown = capsys.readouterr().err
    assert "epoch 2/2" in shown
    assert "loss" in shown
    assert "accuracy" in shown
    assert "rows/s" in shown
    small().fit(X, Y, progress=False)
    small().fit(X, Y)  # nobody watches: no terminal
    assert capsys.readouterr().err == ""


@pytest.mark.not_sanitized(reason="its own memory is counted")
def test_nothing_leaks():
    """Many networks, calls and failures leave no objects and little memory behind."""
    resource = pytest.importorskip("resource")

    def use():
        net = fw.Network([300, 100, 10], rng=0)
        net.fit(np.ones((10, 300), np.float32), np.zeros(10, int))
        net.gradients(np.ones((10, 300)), np.zeros(10, int))
        with pytest.raises(ValueError, match="x: "):
            net(X)

    for _ in range(50):
        use()
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(500):  # each network alone has 125 KB of parameters, and as much again twice
        use()
    gc.collect()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kilobytes


def test_seeds_are_numpys():
    """A plain number's key is computed without numpy.random, and is the same."""
    from featherweight.support.seed import seed_key

    numbers = [0, 1, 2, 2**32 - 1, 2**32, 2**64 - 1, 2**64, 2**96, 2**127 + 5, 2**128, 2**200 + 7]
    numbers += [int(n) for n in np.random.default_rng(0).integers(0, 2**63, 200)]
    for n in numbers:
        assert seed_key(n) == int(np.random.SeedSequence(n).generate_state(1, np.uint64)[0])
    assert seed_key(5) != seed_key(6)
    by_sequence = fw.Network([3, 2], rng=np.random.SeedSequence(7)).parameters
    assert np.array_equal(fw.Network([3, 2], rng=np.int64(7)).parameters, by_sequence)
    assert not np.array_equal(fw.Network([3, 2]).parameters, fw.Network([3, 2]).parameters)
    code = (
        "import sys, numpy as np, featherweight as fw; fw.Network([3, 2], rng=0)(np.zeros(3));"
        "assert 'numpy.random.mtrand' not in sys.modules; np.random.SeedSequence;"
        "assert 'numpy.random.mtrand' in sys.modules"
    )
    lazy = "import sys, numpy; sys.exit('numpy.random.mtrand' in sys.modules)"
    if subprocess.run([sys.executable, "-c", lazy], check=False).returncode == 0:
        subprocess.run([sys.executable, "-c", code], check=True)

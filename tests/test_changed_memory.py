"""Memory that goes away while it is used: files that become shorter, arrays that are resized."""

import os
import re
import subprocess
import sys
from functools import partial

import numpy as np
import pytest

import compare
import featherweight as fw
from changing import INPUTS, ROWS, Changing, ChangingInAnEpoch, network, rows

# in processes of their own: without the mend they end by a signal
SHORTER = """
import os, sys
import numpy as np
import featherweight as fw
rng = np.random.default_rng(0)
x, y = rng.normal(size=(30_000, 6)).astype(np.float32), rng.integers(0, 3, 30_000)
for name, values in (("x", x), ("y", y), ("w", np.ones(30_000, np.float32))):
    np.save(name + ".npy", values)
def mapped(name):
    return np.load(name + ".npy", mmap_mode="r")
net, again = (fw.Network([6, 8, 3], rng=0, threads=1) for _ in range(2))
weights = {}
def shorten(name):
    os.truncate(name + ".npy", 8192)
def after_two(name):
    def callback(state):
        if state.epoch == 2:
            weights[name] = state.network.parameters.copy()
            shorten(name)
    return callback
class InTheEpoch:
    def on_batch_end(self, state):
        if state.epoch == 2 and state.batch == 2:
            shorten("x")
class AsABatchBegins:
    def on_batch_begin(self, state):
        if state.epoch == 2 and state.batch == 2:
            shorten("x")
    def on_epoch_end(self, state):
        weights["x"] = state.network.parameters.copy()
try:
    CALL
except ValueError as e:
    print(e)
    for w in weights.values():
        print("as it was", (w == net.parameters).all())
"""
FILES = {
    "fit": ("x", 'net.fit(mapped("x"), y, epochs=5, callbacks=after_two("x"))'),
    "fit_many": ("x", 'fw.fit_many([net, again], mapped("x"), y, epochs=5, threads=1,'
                 ' callbacks=[[after_two("x")], []])'),
    "lbfgs": ("x", 'net.fit(mapped("x"), y, epochs=9, optimizer=fw.LBFGS(),'
              ' callbacks=after_two("x"))'),
    "lbfgs, y": ("y", 'net.fit(x, mapped("y"), epochs=9, optimizer=fw.LBFGS(),'
                 ' callbacks=after_two("y"))'),
    "lbfgs, weights": ("sample_weight", 'net.fit(x, y, sample_weight=mapped("w"), epochs=9,'
                       ' optimizer=fw.LBFGS(), callbacks=after_two("w"))'),
    "in an epoch": ("x", 'net.fit(mapped("x"), y, epochs=3, callbacks=InTheEpoch())'),
    "as a batch begins": ("x", 'net.fit(mapped("x"), y, epochs=3, callbacks=AsABatchBegins())'),
    "a batch": ("x", 'net.fit([(mapped("x")[9000:], y[9000:])] * 3, epochs=3,'
                ' callbacks=AsABatchBegins())'),
    "call": ("x", 'm = mapped("x"); shorten("x"); net(m)'),
    "call of a part": ("x", 'm = mapped("x")[20_000:]; shorten("x"); net(m)'),
    "call of another type": ("x", 'm = mapped("x"); shorten("x");'
                             " fw.Network([6, 3], dtype=np.float64)(m)"),
    "activations": ("x", 'm = mapped("x"); shorten("x"); net.activations(m)'),
    "backward": ("x", 'm = mapped("x"); shorten("x"); net.backward(m, x[:, :3])'),
    "backward, dy": ("dy", 'm = mapped("x")[:, :3]; shorten("x"); net.backward(x, m)'),
    "gradients": ("x", 'm = mapped("x"); shorten("x"); net.gradients(m, y)'),
    "evaluate": ("x", 'm = mapped("x"); shorten("x"); net.evaluate(m, y)'),
    "evaluate, y": ("y", 'm = mapped("y"); shorten("y"); net.evaluate(x, m)'),
    "evaluate, weights": ("sample_weight", 'm = mapped("w"); shorten("w");'
                          " net.evaluate(x, y, sample_weight=m)"),
    "predict": ("x", 'm = mapped("x"); shorten("x"); net.predict(m)'),
    "score": ("x", 'm = mapped("x"); shorten("x"); net.score(m, y)'),
}  # fmt: skip


@pytest.mark.parametrize("way", FILES)
def test_a_file_that_becomes_shorter_is_not_read(way, tmp_path):
    name, call = FILES[way]
    done = subprocess.run(
        [sys.executable, "-c", SHORTER.replace("CALL", call)],
        capture_output=True, text=True, cwd=tmp_path, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stderr)
    sentence, *weights = done.stdout.splitlines()
    assert re.search(rf"(^|: ){name}: expected a file of at least .* bytes, found 8,192", sentence)
    if weights:
        assert weights[0] == "as it was True"
        assert "the network holds the weights of the end of " in sentence


RESIZED = {
    "y": lambda data: data[1].resize((1,), refcheck=False),
    "x": lambda data: data[0].resize((1, INPUTS), refcheck=False),
    "sample_weight": lambda data: data[2].resize((1,), refcheck=False),
}


@pytest.mark.parametrize("way", ["epochs", "lbfgs", "validation", "fit_many", "batches", "metric"])
@pytest.mark.parametrize("name", RESIZED)
def test_arrays_that_are_resized(name, way):
    x, y = rows()
    data = [x, y, np.ones(ROWS, np.float32)]
    net, shape = network(), data[["x", "y", "sample_weight"].index(name)].shape
    options = {"epochs": 6, "sample_weight": data[2], "batch_size": 8}
    kind = ChangingInAnEpoch if way == "batches" else Changing
    changing = kind(lambda: RESIZED[name](data))
    if way == "lbfgs":
        options |= {"optimizer": fw.LBFGS()}
    if way == "metric":
        options |= {"metrics": "f1"}
    options["callbacks"], train = changing, partial(net.fit, x, y)
    if way == "fit_many":  # the first of them is trained first
        options |= {"callbacks": [[changing], []], "threads": 1}
        train = partial(fw.fit_many, [network(), net], x, y)
    if way == "validation":
        other, labels = rows()
        options |= {"validation_data": tuple(data), "sample_weight": None}
        train = partial(net.fit, other, labels)
    with pytest.raises(ValueError, match="the array was changed while in use") as caught:
        train(**options)
    found = str(caught.value)
    assert f"{name}: expected shape {shape}, found (1," in found
    assert "the network holds the weights of the end of " in found
    if way != "fit_many":
        compare.assert_same_bits(net.parameters, changing.weights)
        assert len(net.history.epoch) == 2


def test_views_of_arrays_that_are_resized():
    x, y = rows()
    labels = np.concatenate([y, y])
    changing = Changing(lambda: labels.resize((10_000_000,), refcheck=False))
    with pytest.raises(ValueError, match="y: expected an array that stays where it is"):
        network().fit(x, labels[ROWS:], epochs=6, callbacks=changing)


@pytest.mark.parametrize("which", ["x", "y", "sample_weight", "validation_data"])
def test_a_file_that_becomes_shorter(which, tmp_path):
    """Reading beyond its end would end the process."""
    rng = np.random.Generator(np.random.Philox(8))
    x, y = rng.normal(size=(5000, INPUTS)), rng.integers(0, 3, 5000)
    path = tmp_path / "data.npy"
    np.save(path, y if which == "y" else x)
    mapped = np.load(path, mmap_mode="r")
    mapped = mapped if which == "y" else mapped[10:]
    y = mapped if which == "y" else y[10:]
    changing = Changing(lambda: os.truncate(path, 3000))
    options = {"validation_data": (mapped, y)} if which == "validation_data" else {}
    if which == "sample_weight":
        np.save(path, np.ones(len(y), np.float32))
        options = {which: np.load(path, mmap_mode="r")}
    net = network()
    with pytest.raises(ValueError, match=r"expected a file of at least .* bytes, found 3,000"):
        net.fit(mapped if which == "x" else np.asarray(x[-len(y) :]), y, epochs=4,
                callbacks=changing, **options)  # fmt: skip
    compare.assert_same_bits(net.parameters, changing.weights)
    assert len(net.history.epoch) == 2

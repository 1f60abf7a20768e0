"""Checkpoints: what they hold, what they refuse, and what comes of being killed."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import compare
import featherweight as fw
import resumed

SCRIPT = Path(__file__).with_name("resumed.py")
CASES, KILLS = 13, 5  # every case is killed so many times
assert CASES * KILLS >= 50


def problem(**options):
    rng = np.random.Generator(np.random.Philox(3))
    x = rng.normal(size=(200, 20)).astype(np.float32)
    return fw.Network([20, 16, 2], **({"rng": 1} | options)), x, (x[:, 0] > 0).astype(np.int64)


def start(number, checkpoint, result):
    return subprocess.Popen([sys.executable, SCRIPT, str(number), str(checkpoint), str(result)])


@pytest.mark.parametrize("number", range(CASES))
def test_killed_and_resumed(number, tmp_path):
    """Killed at random moments and resumed, training ends with the bits of an undisturbed run."""
    if number == resumed.LBFGS:
        pytest.importorskip("scipy", reason="SciPy is not installed")
    assert start(number, "none", tmp_path / "whole").wait(120) == 0
    rng = np.random.Generator(np.random.Philox(number + 50))
    checkpoint, result = tmp_path / "run.fw", tmp_path / "result"
    kills, moments = 0, []
    while kills < KILLS:
        process = start(number, checkpoint, result)
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        # some die before they have begun, some soon after they have got on by an epoch
        if kills % 3:
            while process.poll() is None and (
                not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before
            ):
                time.sleep(0.001)
            time.sleep(float(rng.uniform(0, 0.02)))
        else:
            time.sleep(float(rng.uniform(0, 0.3)))
        process.kill()
        assert process.wait(30) != 0, "training was over before it was killed: make it longer"
        kills += 1
        if checkpoint.exists():
            fw.load(checkpoint)  # whole at any moment
            moments.append(checkpoint.stat().st_mtime_ns)
    assert start(number, checkpoint, result).wait(120) == 0
    whole, found = np.load(tmp_path / "whole"), np.load(result)
    for name in ("parameters", "loss", "val_loss", "lr"):
        compare.assert_same_bits(found[name], whole[name], name)
    assert len(set(moments)) >= 2  # it got on between kills
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"whole", "run.fw", "result"}  # nothing of what was half written


def test_resumed_with_another_seed_it_would_differ(tmp_path):
    """The twin: what makes the bits is what the checkpoint holds."""
    net, x, y = problem()
    whole = net.fit(x, y, epochs=4, rng=1, dropout=0.2)
    other, _, _ = problem()
    assert other.fit(x, y, epochs=4, rng=2, dropout=0.2).loss != whole.loss


class Log:
    """A callback without a state of its own."""

    def __init__(self):
        self.seen = []

    def on_train_begin(self, state):
        self.seen.append(("begin", len(state.history.epoch)))

    def on_epoch_end(self, state):
        self.seen.append(state.epoch)


@pytest.mark.parametrize("kind", ["Adam", "LBFGS"])
def test_callbacks_hear_of_what_is_new(kind, tmp_path):
    """A resumed run begins, too, and then each epoch is told of once."""
    if kind == "LBFGS":
        pytest.importorskip("scipy", reason="SciPy is not installed")
    path, seen = tmp_path / "run.fw", []
    for epochs in (2, 5):
        net, x, y = problem()
        log = Log()
        net.fit(
            x, y, epochs=epochs, optimizer=getattr(fw, kind)(), resume=path,
            callbacks=[log, fw.EarlyStopping(), fw.Checkpoint(path)],
        )  # fmt: skip
        seen.append(log.seen)
    assert seen == [[("begin", 0), 1, 2], [("begin", 2), 3, 4, 5]]
    whole, _, _ = problem()
    whole.fit(x, y, epochs=5, optimizer=getattr(fw, kind)(), callbacks=fw.EarlyStopping())
    compare.assert_same_bits(net.parameters, whole.parameters)


def test_a_checkpoint_is_a_network_too(tmp_path):
    net, x, y = problem()
    path = tmp_path / "run.fw"
    optimizer = fw.Adam()
    net.fit(x, y, epochs=3, optimizer=optimizer, callbacks=fw.Checkpoint(path, every=2))
    compare.assert_same_bits(fw.load(path).parameters, net.parameters)
    again, _, _ = problem(rng=8)
    history = again.fit(x, y, epochs=3, callbacks=fw.Checkpoint(path), resume=path)
    assert history.epoch == [1, 2, 3]  # there was nothing left to do
    compare.assert_same_bits(again.parameters, net.parameters)
    more = again.fit(x, y, epochs=5, callbacks=fw.Checkpoint(path), resume=path)
    twin, _, _ = problem()
    expected = twin.fit(x, y, epochs=5)
    compare.assert_same_bits(again.parameters, twin.parameters)
    assert more.loss == expected.loss


def test_early_stopping_stays_stopped(tmp_path):
    net, x, _ = problem()
    noise = np.random.Generator(np.random.Philox(1)).integers(0, 2, 200)
    path = tmp_path / "run.fw"

    def train(net, stopping):
        return net.fit(
            x, noise, epochs=300, callbacks=[stopping, fw.Checkpoint(path)], resume=path,
            validation_split=0.5, optimizer=fw.Adam(0.02),
        )  # fmt: skip

    first = train(net, fw.EarlyStopping(patience=2))
    assert len(first.epoch) < 300
    again, _, _ = problem()
    second = train(again, fw.EarlyStopping(patience=2))
    assert second.loss == first.loss
    compare.assert_same_bits(again.parameters, net.parameters)


def test_time_that_ran_out_is_made_good(tmp_path):
    """Stopped in the middle of an epoch by max_time, again and again: the whole run's bits."""
    path, rows = tmp_path / "run.fw", 300_000
    x = np.random.Generator(np.random.Philox(1)).normal(size=(rows, 20)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)

    def train(net, **options):
        schedule = fw.schedules.ExponentialLR(0.99999, by="step")
        optimizer = fw.Adam(schedule=schedule)
        return net.fit(x, y, epochs=3, batch_size=1, optimizer=optimizer, **options)

    whole, _, _ = problem()
    expected = train(whole)
    cut = 0
    for _ in range(200):
        net, _, _ = problem()
        history = train(net, resume=path, callbacks=fw.Checkpoint(path), max_time=0.06 + 0.03 * cut)
        if len(history.epoch) == 3 and history.loss == expected.loss:
            break
        cut += 1
    assert cut
    compare.assert_same_bits(net.parameters, whole.parameters)


def test_a_schedule_of_ones_own(tmp_path):
    """A function's address, which its repr has, is another in every process."""
    path, losses = tmp_path / "run.fw", []
    for epochs in (2, 4):
        net, x, y = problem()
        optimizer = fw.SGD(0.1, schedule=lambda epoch: 1 / (1 + epoch))
        history = net.fit(
            x, y, epochs=epochs, optimizer=optimizer, callbacks=fw.Checkpoint(path), resume=path
        )
        losses.append(history.loss)
    assert losses[1][:2] == losses[0]
    assert history.lr[3] == 0.1 / 4


ONE_ROW = (np.zeros((1, 20)), np.zeros(1, np.int64))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"optimizer": fw.SGD(0.1)}, "resume: expected optimizer as before"),
        ({"batch_size": 16}, "resume: expected batch_size as before, 32, found 16"),
        ({"dropout": 0.5}, "resume: expected dropout as before"),
        ({"rng": 5}, "resume: expected the rng as before"),
        ({"metrics": "f1"}, r"resume: expected metrics as before, \[\], found \['f1'\]"),
        ({"validation_data": ONE_ROW}, "resume: expected validation rows as before, None, found 1"),
        ({"net": {"sizes": [20, 8, 2]}}, r"resume: expected a network with sizes=\(20, 8, 2\)"),
    ],
)
def test_refusals(change, sentence, tmp_path):
    net, x, y = problem()
    path = tmp_path / "run.fw"
    net.fit(x, y, epochs=2, callbacks=fw.Checkpoint(path), rng=3)
    sizes = change.pop("net", {}).get("sizes", [20, 16, 2])
    other = fw.Network(sizes, rng=1)
    before = other.parameters.copy()
    with pytest.raises(ValueError, match=sentence):
        other.fit(x, y, epochs=4, resume=path, **({"rng": 3} | change))
    compare.assert_same_bits(other.parameters, before)


def test_no_checkpoint_in_other_files(tmp_path):
    net, x, y = problem()
    net.save(tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match="resume: expected a file of this version's Checkpoint"):
        net.fit(x, y, resume=tmp_path / "net.safetensors")
    (tmp_path / "half").write_bytes((tmp_path / "net.safetensors").read_bytes()[:100])
    with pytest.raises(ValueError, match="expected a whole safetensors file"):
        net.fit(x, y, resume=tmp_path / "half")
    before = net.parameters.copy()
    with pytest.raises(IsADirectoryError, match="expected the path of a file, found a folder"):
        net.fit(x, y, callbacks=fw.Checkpoint(tmp_path))
    compare.assert_same_bits(net.parameters, before)
    with pytest.raises(FileNotFoundError, match="expected a folder that exists"):
        net.fit(x, y, callbacks=fw.Checkpoint(tmp_path / "no" / "run.fw"))

"""Data that change while a network is trained on them: some hundred tries of the fuzz."""

import subprocess
import sys

import numpy as np
import pytest

import featherweight as fw
import fuzz_changes
import tries


def test_changing_data_end_in_a_sentence_or_well():
    run = subprocess.run(
        [sys.executable, fuzz_changes.__file__, "--tries", "400", "--seed", "0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "400 tries of seed 0, 0 faults" in run.stdout


@pytest.mark.parametrize("metric", ["f1", "mse", "top_5_accuracy"])
def test_metrics_refuse_labels_that_have_changed(metric):
    """In the last step of an epoch, after which the core reads the rows trained on no more."""
    labels = np.arange(32) % 3
    x = np.random.default_rng(0).normal(size=(32, 6)).astype(np.float32)

    class Change:
        def on_batch_end(self, state):
            labels[20] = 7

    with pytest.raises(ValueError, match=r"^y: expected class labels from 0 to 2, found 7"):
        fw.Network([6, 8, 3], rng=0).fit(
            x, labels, batch_size=32, metrics=metric, callbacks=Change()
        )


@pytest.mark.parametrize("good", [0, 1])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_no_way_to_end_leaves_weights_that_are_not_finite(good, error):
    """A step makes them infinite, and training ends before anything is computed from them."""
    x, labels = np.ones((4, 3), np.float32), np.arange(4) % 2
    sgd = fw.SGD(0.1)
    net, other = (fw.Network([3, 2], rng=0) for _ in range(2))

    class Batches:
        epoch = 0

        def __iter__(self):
            yield x, labels
            if self.epoch == good:
                sgd.lr = 1e38
                yield x * 1e10, labels
                if error is KeyboardInterrupt:
                    raise error
                yield x, labels + 9
            self.epoch += 1

    with pytest.raises(error) as raised:
        net.fit(Batches(), epochs=3, optimizer=sgd)
    other.fit([(x, labels)], epochs=good, optimizer=fw.SGD(0.1))
    np.testing.assert_array_equal(net.parameters, other.parameters)
    if error is KeyboardInterrupt:
        held = f"the end of epoch {good}" if good else "before the first epoch"
        assert f"the network holds the weights of {held}" in str(raised.value)


def spoil(case, net, callbacks):
    net.parameters[:] = np.nan


def say_little(case, net, callbacks):
    raise ValueError("something went wrong")


def move_on(case, net, callbacks):
    net.fit(case.x, case.y, progress=False, callbacks=callbacks, loss=case.options["loss"])
    net.parameters[:] += 1
    raise ValueError("y: expected labels, found others")


@pytest.mark.parametrize(
    ("planted", "sought"),
    [(spoil, "finite"), (say_little, "something went wrong"), (move_on, "other weights")],
)
def test_planted_faults_are_found(monkeypatch, tmp_path, planted, sought):
    numbers = (n for n in range(100) if fuzz_changes.Case(0, n, tmp_path).way == "fit")
    monkeypatch.setattr(fuzz_changes, "call", planted)
    monkeypatch.setattr(fuzz_changes, "_scribble", lambda writer, stop: None)
    monkeypatch.setattr(fuzz_changes.Changes, "_event", lambda self, event: self.on_epoch_end)
    found = []
    for number in list(numbers)[:10]:
        try:
            found.append(fuzz_changes.one(0, number, tmp_path))
        except fuzz_changes.FaultError as e:
            found.append(str(e))
    assert any(sought in how for how in found), found


def test_a_crash_is_found(monkeypatch):
    """It is the fault of the try in hand, and the next ones are made all the same."""
    started = subprocess.Popen

    def begin(command, **options):
        first = int(command[-2])
        end = "os.abort()" if first == 0 else "0"
        two = f"for i in range({first}, {first} + 2): print(i, 'fit: ended', flush=True)"
        return started([sys.executable, "-c", f"import os\n{two}\n{end}"], **options)

    monkeypatch.setattr(subprocess, "Popen", begin)
    found = tries.run(fuzz_changes.__file__, 0, 5, 1)
    (crash,) = (how for how in found if how.startswith("FAULT"))
    assert "crash -6" in crash
    assert found == {"fit: ended": [0, 1, 3, 4], crash: [2]}

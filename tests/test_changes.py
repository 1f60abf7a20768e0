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
@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("rows", 10**9, r"rows: expected row numbers from 0 to 31, found 1000000000"),
        ("rows", -1, r"rows: expected row numbers from 0 to 31, found -1"),
        ("y", 7, r"y: expected class labels from 0 to 2, found 7"),
    ],
)
def test_metrics_refuse_what_has_changed(metric, name, value, sentence):
    """In the last step of an epoch, after which the core reads the rows trained on no more."""
    arrays = {"rows": np.arange(32), "y": np.arange(32) % 3}
    x = np.random.default_rng(0).normal(size=(32, 6)).astype(np.float32)

    class Change:
        def on_batch_end(self, state):
            arrays[name][20] = value

    with pytest.raises(ValueError, match=f"^{sentence}"):
        fw.Network([6, 8, 3], rng=0).fit(
            x, arrays["y"], rows=arrays["rows"], batch_size=32, metrics=metric, callbacks=Change()
        )  # fmt: skip


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

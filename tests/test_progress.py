"""What is shown of training: the bar, where it begins and what it leaves out, and lines."""

import importlib.util
import io
import os
import re
import struct
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

import featherweight as fw
from featherweight.cli import main
from featherweight.training import progress
from featherweight.training.bar import TextBar


def test_what_callbacks_print_as_training_begins_comes_before_the_bar(monkeypatch):
    """Whole lines of their own, on the terminal that both go to."""
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)

    class Header:
        def on_train_begin(self, state):
            print("the header", file=terminal)

    x, y = np.zeros((8, 4), np.float32), np.zeros(8, np.int64)
    fw.Network([4, 2], rng=0).fit(x, y, callbacks=Header(), progress=True)
    first, rest = terminal.getvalue().split("\n", 1)
    assert first == "the header"
    assert "rows/s" in rest
    assert "img" not in rest


def test_without_ipywidgets_the_bar_is_of_text(monkeypatch):
    """Even where tqdm would find a notebook; nothing is warned of."""
    find = importlib.util.find_spec

    def without(name, *args):
        return None if name == "ipywidgets" else find(name, *args)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)  # importing it would raise
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    assert progress._tqdm() is TextBar


# ---- widths, by a terminal
def in_terminal(width, *words):
    """What a program writes to a terminal so many columns wide, as it stays on its lines."""
    fcntl, pty, termios = (pytest.importorskip(m) for m in ("fcntl", "pty", "termios"))
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
    program = subprocess.Popen(
        [sys.executable, *words], stdin=there, stdout=there, stderr=there, close_fds=True
    )
    os.close(there)
    written = b""
    while True:
        try:
            part = os.read(here, 1 << 16)
        except OSError:  # as Linux says that it has ended
            break
        if not part:
            break
        written += part
    os.close(here)
    assert program.wait() == 0, written
    return written.decode()


def lines_of(written, width):
    """The lines that stay, of which all that was ever written to each must fit."""
    lines = []
    for line in written.replace("\r\n", "\n").split("\n"):
        for state in line.split("\r"):
            assert len(state) <= width or "\r" not in line, state
        lines.append(line.split("\r")[-1].rstrip())
    return lines


FIT = (
    "import featherweight as fw; train, test = fw.data.digits()\n"
    "net = fw.Network([784, 16, 10], input_scale=1 / 255, rng=0)\n"
    "h = net.fit(*train, epochs=2, validation_data=test)\n"
    "print(h.loss[-1], h.accuracy[-1], h.val_loss[-1], h.val_accuracy[-1])"
)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160])
def test_the_bar_has_whole_metrics_at_every_width(width):
    bar, figures = lines_of(in_terminal(width, "-c", FIT), width)[:2]
    found = [float(word) for word in re.findall(r"(?<![\w./])\d+\.\d+(?![\w./:])", bar)]
    wanted = [float(word) for word in figures.split()]
    assert found[-4:] == pytest.approx(wanted, abs=6e-4)
    if width > 40:
        assert "epoch 2/2" in bar
    if width >= 100:
        assert "val_accuracy" in bar
        assert "100%" in bar
    assert ("rows/s" in bar) == (width >= 140)


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_the_commands_first_line_is_whole(width):
    words = ("-m", "featherweight", "train", "--no-save", "--epochs", "2", "--isa", "scalar")
    lines = lines_of(in_terminal(width, *words), width)
    assert lines[0] == (
        "784-16-16-10 (relu, relu; softmax): 13,002 parameters; training on 10,000 images (scalar)"
    )
    assert lines[1].startswith("epoch 2/2")
    assert "accuracy=0." in lines[1]


LARGE = {"loss": 1.5e300, "accuracy": 0.987654, "val_loss": 2.5e300, "val_accuracy": 0.876543}
SMALL = {"loss": 0.123456, "accuracy": 0.987654, "val_loss": 0.234567, "val_accuracy": 0.876543}
SHOWN = [["0.123", "0.1235"], ["0.988", "0.9877"], ["0.235", "0.2346"], ["0.877", "0.8765"]]


@pytest.mark.parametrize("rows", [0, 10_000], ids=["iterable", "arrays"])
@pytest.mark.parametrize("epochs", [2, 1_000_000])
def test_no_width_cuts_a_metric(rows, epochs):
    for width in range(40, 200):
        bar = progress.Bar.__new__(progress.Bar)
        bar._epochs, bar.rows, bar._done = epochs, rows, 0
        terminal = io.StringIO()
        bar._bar = TextBar(total=epochs * rows or None, file=terminal, ncols=width, unit=" rows")
        bar.at(epochs, rows, SMALL)
        text = str(bar._bar)
        assert len(text) <= width
        words = re.findall(r"[\w.+]+", text)
        assert all(set(words) & set(values) for values in SHOWN), text
        bar._bar.values = LARGE
        text = str(bar._bar)
        assert len(text) <= width
        last = "0.8765" if "0.8765" in text else "0.877"
        assert last in text
        assert "1.5e+300" in text or f"{LARGE['loss']:.4f}" in text
        bar.close()


def test_narrower_than_any_layout_is_one_line():
    bar = TextBar(total=10, file=io.StringIO(), ncols=20)
    bar.values = SMALL
    assert len(str(bar)) <= 20
    bar.close()


# ---- lines
def lines_written(monkeypatch, train):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    found = train()
    return log.getvalue().splitlines(), found


X, Y = np.eye(4, 3), np.array([0, 1, 2, 0])


def line(history, i, epochs, names):
    figures = ", ".join(f"{n}={history[n][i]:#.4g}" for n in (*names, "seconds"))
    return f"epoch {i + 1}/{epochs}: {figures}"


@pytest.mark.parametrize("validation", [None, (X, Y)])
@pytest.mark.parametrize("metrics", ["", "f1"])
def test_a_line_for_each_epoch(monkeypatch, validation, metrics):
    net = fw.Network([3, 4, 3], rng=0)
    options = {"validation_data": validation, "metrics": [metrics] if metrics else ()}
    lines, history = lines_written(
        monkeypatch, lambda: net.fit(X, Y, epochs=3, progress="lines", **options)
    )
    names = ["loss", "accuracy"]
    names += ["val_loss", "val_accuracy"] * (validation is not None)
    names += ["f1"] * bool(metrics) + ["val_f1"] * bool(metrics and validation)
    assert lines == [line(history, i, 3, names) for i in range(3)]
    alone = fw.Network([3, 4, 3], rng=0)
    alone.fit(X, Y, epochs=3, progress=False, **options)
    assert np.array_equal(net.parameters, alone.parameters)


def test_lines_of_batches_regressors_parts_and_lbfgs(monkeypatch):
    net = fw.Network([3, 2], output="identity", rng=0)
    lines, h = lines_written(monkeypatch, lambda: net.fit([(X, X[:, :2])], progress="lines"))
    assert lines == [line(h, 0, 1, ["loss"])]
    lines, h = lines_written(monkeypatch, lambda: net.partial_fit(X, X[:, :2], progress="lines"))
    assert lines == [line(h, 0, 1, ["loss"])]
    options = {"optimizer": fw.LBFGS(), "epochs": 2, "progress": "lines"}
    lines, h = lines_written(monkeypatch, lambda: net.fit(X, X[:, :2], **options))
    assert lines == [line(h, i, 2, ["loss"]) for i in range(2)]


def test_lines_of_many_networks(monkeypatch):
    nets = [fw.Network([3, 3], rng=i) for i in range(3)]
    options = {"epochs": 2, "threads": 2, "progress": "lines"}
    lines, found = lines_written(monkeypatch, lambda: fw.fit_many(nets, X, Y, **options))
    wanted = [
        f"networks[{i}]: {line(h, e, 2, ['loss', 'accuracy'])}"
        for i, h in enumerate(found)
        for e in range(2)
    ]
    assert sorted(lines) == wanted


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_lines_of_an_estimator(monkeypatch, solver):
    sklearn = pytest.importorskip("featherweight.sklearn", reason="scikit-learn is not installed")
    options = {"solver": solver, "max_iter": 3, "tol": 1e-9, "progress": "lines"}
    model = sklearn.MLPClassifier((3,), **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of so few epochs
        lines, _ = lines_written(monkeypatch, lambda: model.fit(X, Y))
    assert len(lines) == len(model.history_.epoch) == 3
    assert lines[2].startswith("epoch 3/3: loss=")


def test_a_log_that_can_no_more_be_written_ends_no_training(monkeypatch):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stderr", Full())
    assert fw.Network([3, 3], rng=0).fit(X, Y, epochs=3, progress="lines").epoch == [1, 2, 3]


def test_what_the_command_shows(capsys):
    words = ["train", "--no-save", "--epochs", "2"]
    for how, wanted in {"auto": 0, "none": 0, "lines": 2}.items():
        assert main([*words, "--progress", how]) == 0
        assert len(capsys.readouterr().err.splitlines()) == wanted
    assert main([*words, "--progress", "bar"]) == 0
    assert "rows/s" in capsys.readouterr().err
    assert main([*words, "--quiet", "--progress", "lines"]) == 0
    assert capsys.readouterr().err.startswith("epoch 1/2: loss=")
    assert main([*words, "--progress", "line"]) == 2
    assert "did you mean 'lines'" in capsys.readouterr().err


def test_a_bar_that_can_no_longer_be_written_ends_no_training(monkeypatch):
    """And lets tqdm's lock go, for which later bars would wait for ever."""

    class Full:
        def write(self, text):
            if text:
                raise OSError(28, "No space left on device")

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stderr", Full())
    net, x = fw.Network([4, 3], rng=0), np.eye(4)
    net.fit(x, [0, 1, 2, 0], epochs=2, progress=True)
    monkeypatch.undo()
    done = []
    other = threading.Thread(
        target=lambda: done.append(net.fit(x, [0, 1, 2, 0], progress=True)), daemon=True
    )
    other.start()
    other.join(20)
    assert done


def test_an_interrupted_bar_lets_the_lock_go(monkeypatch):
    bar = TextBar(total=10, file=io.StringIO())

    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(bar, "display", interrupt)
    assert not bar.disable
    with pytest.raises(KeyboardInterrupt):
        bar.refresh()
    done = []

    def take():
        with bar.get_lock():
            done.append(True)

    other = threading.Thread(target=take, daemon=True)
    other.start()
    other.join(20)
    assert done


class Broken:
    """The stderr of an application with windows, whose methods all fail."""

    def fail(self, *args):
        raise OSError("bad file descriptor")

    write = flush = isatty = fail


class NoFlush(io.StringIO):
    def flush(self):
        raise OSError("bad file descriptor")


def _fit_sklearn(solver):
    sklearn = pytest.importorskip("featherweight.sklearn", reason="scikit-learn is not installed")
    est = sklearn.MLPRegressor(
        hidden_layer_sizes=(3,), solver=solver, max_iter=2, random_state=0, progress=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return est.fit(np.eye(4), np.arange(4.0)).network_


def _fit(x=((1.0, 0.0), (0.0, 1.0)), y=(0, 1), **options):
    net = fw.Network([2, 2], rng=0)
    net.fit(x, y, epochs=2, **{"progress": True} | options)
    return net


def _fit_lbfgs():
    pytest.importorskip("scipy", reason="SciPy is not installed")
    return _fit(optimizer=fw.LBFGS())


def _fit_many():
    nets = [fw.Network([2, 2], rng=i) for i in range(2)]
    fw.fit_many(nets, np.eye(2), [0, 1], epochs=2, progress=True)
    return nets[1]


@pytest.mark.parametrize("stream", [Broken, NoFlush])
@pytest.mark.parametrize(
    "train",
    [
        _fit,
        lambda: _fit([(np.eye(2), [0, 1])], None),
        lambda: _fit(progress="lines"),
        lambda: _fit(progress="auto"),
        _fit_many,
        _fit_lbfgs,
        lambda: _fit_sklearn("adam"),
        lambda: _fit_sklearn("lbfgs"),
    ],
    ids=["arrays", "batches", "lines", "auto", "many", "lbfgs", "adam", "estimator's lbfgs"],
)
def test_a_stream_that_can_not_be_written_ends_the_display_alone(train, stream, monkeypatch):
    wanted = train()
    monkeypatch.setattr(sys, "stderr", stream())
    assert np.array_equal(train().parameters, wanted.parameters)


@pytest.mark.parametrize("progress", [True, "lines", "auto"])
def test_an_object_that_stands_for_a_stream_and_is_gone(progress, monkeypatch):
    class Window:
        def write(self, text):
            raise RuntimeError("wrapped C/C++ object has been deleted")

        flush = isatty = fileno = write

    monkeypatch.setattr("sys.stderr", Window())
    x, y = np.eye(2, dtype=np.float32), [0, 1]
    assert len(fw.Network([2, 2], rng=0).fit(x, y, epochs=3, progress=progress).loss) == 3

"""Places that can't be written to, told before the work; and what killed writers leave behind."""

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import featherweight as fw
from featherweight.exchange.atomic import check_place, replacing

X, Y = np.eye(4, 3), np.array([0, 1, 2, 0])
# a folder in which nobody can make a file, root included, whom permissions don't hinder
needs_proc = pytest.mark.skipif(not os.path.isdir("/proc"), reason="no folder of that kind")


def network():
    return fw.Network([3, 3], rng=0)


def trained():
    net = network()
    net.fit(X, Y)
    return net


def bad_places(tmp_path):
    (tmp_path / "file").write_text("")
    yield "missing/x", r"^path: expected a folder that exists, found no missing$"
    yield "~/x", r"^path: expected a folder that exists, found no ~ \(os.path.expanduser"
    yield str(tmp_path), "expected the path of a file, found a folder"
    yield str(tmp_path / "file" / "x"), "expected a folder that exists"
    folder = "expected the path of a file, found the name of a folder: "
    yield from ((given, f"^path: {folder}{given}$") for given in ("x/", "x//", "x/.", "file/"))
    for given in ("x" * 300, f"{'x' * 300}/y", f"{tmp_path}/{'x/' * 5000}y"):
        yield given, "^path: expected a shorter name or path, found one that is too long for the f"
    if os.path.isdir("/proc"):
        yield "/proc/x", r"^path: expected a folder that can be written to, found /proc \("


WRITERS = {
    "save": lambda path: network().save(path),
    "history": lambda path: trained().history.to_csv(path),
    "checkpoint": lambda path: network().fit(X, Y, callbacks=fw.Checkpoint(path)),
    "many": lambda path: fw.fit_many([network()], X, Y, callbacks=[[fw.Checkpoint(path)]]),
    "probe": check_place,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_what_is_no_path_is_told(writer, tmp_path):
    with pytest.raises(ValueError, match=r"^path: expected a path without null characters, found"):
        WRITERS[writer](str(tmp_path / "a\0b"))
    with pytest.raises(TypeError, match=r"^path: expected a str or a path, found 3$"):
        WRITERS[writer](3)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("writer", WRITERS)
def test_a_place_for_no_file_is_told(writer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path, sentence in bad_places(tmp_path):
        with pytest.raises(OSError, match=sentence):
            WRITERS[writer](path)
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", ["x" * 245, "x" * 255, "é" * 127, "x" * 101])
def test_a_long_name_is_taken(writer, name, tmp_path):
    """The name of the file that is renamed in the end must not be longer."""
    WRITERS[writer](tmp_path / name)
    assert os.listdir(tmp_path) == ([] if writer == "probe" else [name])


def test_a_place_for_no_estimator_is_told(tmp_path, monkeypatch):
    sklearn = pytest.importorskip("featherweight.sklearn", reason="scikit-learn is not installed")
    monkeypatch.chdir(tmp_path)
    model = sklearn.MLPClassifier((3,), tol=1e9, n_iter_no_change=1).fit(X, Y)
    for path, sentence in bad_places(tmp_path):
        with pytest.raises(OSError, match=sentence):
            model.save(path)
    assert os.listdir(tmp_path) == ["file"]


def test_checkpoints_are_refused_before_training(tmp_path):
    """Those of all networks before the first is trained, too."""
    nets = [network(), network()]
    bad = str(tmp_path / "no" / "x")
    callbacks = [[fw.Checkpoint(tmp_path / "x")], [fw.Checkpoint(bad)]]
    before = nets[0].parameters.copy()
    with pytest.raises(FileNotFoundError, match="expected a folder that exists"):
        fw.fit_many(nets, X, Y, callbacks=callbacks)
    with pytest.raises(FileNotFoundError, match="expected a folder that exists"):
        nets[0].fit(X, Y, callbacks=fw.Checkpoint(bad))
    assert np.array_equal(nets[0].parameters, before)
    assert os.listdir(tmp_path) == []


def test_a_probe_leaves_a_file_as_it_is(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    check_place(path)
    check_place(tmp_path / "y")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="no such device")
def test_devices_are_written_to_in_place(tmp_path):
    code = (
        "import numpy as np, featherweight as fw\n"
        "history = fw.Network([2, 2], rng=0).fit(np.eye(2), [0, 1], progress=False)\n"
        "history.to_csv('/dev/stdout'); history.to_csv('/dev/null')\n"
    )
    with open(tmp_path / "out", "wb") as out:
        subprocess.run([sys.executable, "-c", code], check=True, stdout=out)
    assert (tmp_path / "out").read_text().startswith("epoch,loss,")
    assert os.path.exists("/dev/null")
    assert not os.path.isfile("/dev/null")


# ---- what killed writers leave
def left_behind(path):
    """Write `path` in a process of its own that is killed before the file gets its name."""
    code = (
        "import os, signal, sys\n"
        "from featherweight.exchange.atomic import replacing\n"
        "with replacing(sys.argv[1]) as f:\n"
        "    f.write(b'half')\n"
        "    f.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, path])
    assert ran.returncode == -signal.SIGKILL


WHOLE = {name: WRITERS[name] for name in ("save", "history", "checkpoint")}


@pytest.mark.skipif(os.name != "posix", reason="signals as on Unix")
@pytest.mark.parametrize("writer", WHOLE)
@pytest.mark.parametrize(("name", "other"), [("x", "other"), ("x" * 250, "x" * 249 + "y")])
def test_the_next_one_to_write_removes_it(writer, name, other, tmp_path):
    left_behind(str(tmp_path / other))
    of_other = os.listdir(tmp_path)
    left_behind(str(tmp_path / name))
    names = os.listdir(tmp_path)
    assert len(names) == 2
    assert all(left.endswith(".fw-tmp") for left in names)
    WHOLE[writer](str(tmp_path / name))
    assert sorted(os.listdir(tmp_path)) == sorted([*of_other, name])


@pytest.mark.skipif(os.name != "posix", reason="signals as on Unix")
def test_an_estimator_removes_it_too(tmp_path):
    sklearn = pytest.importorskip("featherweight.sklearn", reason="scikit-learn is not installed")
    left_behind(str(tmp_path / "x"))
    sklearn.MLPClassifier((3,), tol=1e9, n_iter_no_change=1).fit(X, Y).save(tmp_path / "x")
    assert os.listdir(tmp_path) == ["x"]


def test_what_is_being_written_now_is_left_alone(tmp_path):
    path = tmp_path / "x"
    with replacing(path) as f:
        f.write(b"first ")
        network().save(path)  # as another thread or process may
        names = sorted(os.listdir(tmp_path))
        assert len(names) == 2
        f.write(b"second")
    assert path.read_bytes() == b"first second"
    assert os.listdir(tmp_path) == ["x"]


def test_many_threads_save_to_one_path(tmp_path):
    path, errors = tmp_path / "x", []

    def save(seed):
        net = fw.Network([3, 3], rng=seed)
        try:
            for _ in range(50):
                net.save(path)
        except OSError as e:
            errors.append(e)

    threads = [threading.Thread(target=save, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert os.listdir(tmp_path) == ["x"]
    allowed = {fw.Network([3, 3], rng=i).parameters.tobytes() for i in range(4)}
    assert fw.load(path).parameters.tobytes() in allowed


def test_a_history_is_replaced_as_a_whole(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    history = trained().history
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        history.to_csv(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]

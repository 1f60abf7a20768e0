"""The command line: what it prints, what it writes, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import featherweight as fw
from featherweight.cli import main
from featherweight.cli.train import confusion_matrix, table

QUICK = ["train", "--no-save", "--epochs", "1"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("model") / "digits.safetensors")
    assert main(["train", "--quiet", "--save", path]) == 0
    return path


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("picture") / "digit.npy")
    np.save(path, fw.data.digits().test.images[:3])
    return path


def run(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "featherweight", *words],
        capture_output=True, text=True, timeout=60, **options,
    )  # fmt: skip


def fails(capsys, words, status, *texts):
    """Check that a command ends with a status and one sentence."""
    assert main(words) == status
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert len(lines) == 1, err
    command = words[0] if words[0] in ("train", "predict", "bench", "info") else ""
    assert lines[0].startswith(f"featherweight {command}".strip() + ": error: ")
    for text in texts:
        assert text in lines[0]
    return out


# ---- the program
def test_version_help_and_usage(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"featherweight {fw.__version__}\n"
    assert main([]) == 2
    assert "usage: featherweight" in capsys.readouterr().err
    for words in (["--help"], ["train", "-h"], ["predict", "-h"], ["bench", "-h"], ["info", "-h"]):
        assert main(words) == 0
        assert "usage: featherweight" in capsys.readouterr().out
    fails(capsys, ["trian"], 2, "'trian'", "did you mean 'train'")
    fails(capsys, ["--verbose"], 2, "--verbose")


def test_commands_are_imported_when_used():
    code = (
        "import sys, featherweight; assert 'argparse' not in sys.modules;"
        "from featherweight.cli import main; main(['info']);"
        "assert 'featherweight.cli.train' not in sys.modules;"
        "assert 'featherweight.images' not in sys.modules and 'PIL' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_as_a_module(tmp_path, model, picture):
    ran = run("predict", model, picture)
    assert ran.returncode == 0
    assert len(ran.stdout.splitlines()) == 3
    ran = run("train", "--epochs", "x")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("featherweight train: error: argument --epochs")
    ran = run("train", "--epochs", "2", cwd=tmp_path)
    assert ran.returncode == 0
    assert ran.stderr == ""  # nobody watches: no bar
    assert os.listdir(tmp_path) == ["digits.safetensors"]


# ---- train
def test_report(capsys, tmp_path):
    path = str(tmp_path / "net.safetensors")
    assert main(["train", "--save", path, "--seed", "3", "--epochs", "2"]) == 0
    out = capsys.readouterr().out
    net = fw.load(path)
    test = fw.data.digits().test
    read = net.predict(test.images)
    right = int((read == test.labels).sum())
    assert f"Accuracy on 2,000 test images: {right / 20:.2f} % ({right:,} read right)" in out
    assert "2 epochs in " in out
    assert "images per second" in out
    assert path in out
    by_hand = [[0] * 10 for _ in range(10)]
    for truth, found in zip(test.labels, read, strict=True):
        by_hand[truth][found] += 1
    rows = [line.split("|") for line in out.splitlines() if "|" in line]
    assert rows[0][1].split() == [str(d) for d in range(10)]
    assert [int(head) for head, _ in rows[1:]] == list(range(10))
    assert [[int(n) for n in row.split()] for _, row in rows[1:]] == by_hand
    assert len({len(head) + len(row) for head, row in rows}) == 1


def test_confusion_matrix_has_the_truth_in_rows():
    net = fw.Network([2, 2], rng=0)
    net.weights[0] = np.eye(2)
    x = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    matrix, finite = confusion_matrix(net, x, np.array([0, 1, 1]), 2)
    assert matrix.tolist() == [[1, 0], [1, 1]]
    assert finite
    assert len({len(line) for line in table(matrix * 123456).splitlines()}) == 1


def test_defaults_read_the_digits(capsys):
    accuracies = []
    for seed in range(7):
        assert main(["train", "--no-save", "--quiet", "--seed", str(seed)]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        accuracies.append(float(out.removesuffix(" %\n")))
    assert np.median(accuracies) >= 92
    assert sum(a >= 92 for a in accuracies) > 4


def test_same_seed_same_file(tmp_path):
    files = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    for path, seed in zip(files, "112", strict=True):
        assert main([*QUICK[:1], *QUICK[2:], "--quiet", "--seed", seed, "--save", str(path)]) == 0
    a, b, c = (path.read_bytes() for path in files)
    assert a == b
    assert a != c


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--sizes", "8", "4"], "784-8-4-10"),
        (["--sizes", "8,4", "--activation", "tanh,relu"], "784-8-4-10 (tanh, relu; softmax)"),
        (["--sizes"], "784-10 (linear; softmax)"),
        (["--output", "sigmoid", "--loss", "mse"], "; sigmoid)"),
        (["--output", "identity"], "; identity)"),
        (["--optimizer", "sgd", "--momentum", "0.9", "--learning-rate", "0.05"], "1 epoch in"),
        (["--batch-size", "100", "--lr", "0.01", "--threads", "1"], "1 epoch in"),
        (["--isa", "scalar"], "(scalar)"),
        (["--epochs", "0"], "0 epochs"),
    ],
)
def test_options(words, text, capsys):
    assert main([*QUICK, *words]) == 0
    assert text in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["--activation", "rellu"], ["--activation", "did you mean 'relu'"]),
        (["--activation", "relu,tanh,relu"], ["--activation", "expected 2 names"]),
        (["--output", "softmx"], ["--output", "did you mean 'softmax'"]),
        (["--loss", "mes"], ["--loss", "'mse'"]),
        (["--loss", "cross_entropy", "--output", "relu"], ["output='softmax'"]),
        (["--optimizer", "adm"], ["--optimizer", "did you mean 'adam'"]),
        (["--optimizer", "sgd", "--momentum", "1"], ["--momentum", "below 1"]),
        (["--momentum", "0.5"], ["--momentum", "sgd"]),
        (["--learning-rate", "-1"], ["--learning-rate", "at least 0"]),
        (["--learning-rate", "nan"], ["--learning-rate", "finite"]),
        (["--epochs", "-1"], ["--epochs", "at least 0"]),
        (["--batch-size", "0"], ["--batch-size", "at least 1"]),
        (["--seed", "-1"], ["--seed", "at least 0"]),
        (["--threads", "0"], ["--threads", "1 to 1024"]),
        (["--isa", "avx1024"], ["avx1024"]),
        (["--sizes", "x"], ["--sizes", "16,16", "'x'"]),
        (["--sizes", "0"], ["--sizes: expected at least 1, found 0"]),
        (["--data", "digit"], ["--data", "did you mean 'digits'", ".npz"]),
        (["--save", "a", "--no-save"], ["not allowed with"]),
    ],
)
def test_wrong_values(words, texts, capsys):
    out = fails(capsys, ["train", *([] if "--save" in words else ["--no-save"]), *words], 2, *texts)
    assert out == ""


def test_where_to_save_is_checked_before_training(tmp_path, capsys, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("trained")

    monkeypatch.setattr(fw.Network, "fit", never)
    fails(capsys, ["train", "--save", str(tmp_path / "no" / "net")], 2, "no", "exists")
    fails(capsys, ["train", "--save", str(tmp_path)], 2, "folder")
    fails(capsys, ["train", "--save", os.devnull], 2, "plain file")
    if os.path.isdir("/proc"):  # where nobody can make a file, whatever the permissions say
        fails(capsys, ["train", "--save", "/proc/net.safetensors"], 2, "--save", "written to")
        monkeypatch.chdir("/proc")
        fails(capsys, ["train"], 2, "--save", "written to, found /proc", "--no-save")
    assert os.listdir(tmp_path) == []


def test_report_survives_a_failed_save(tmp_path, capsys, monkeypatch):
    def full(self, path):
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(fw.Network, "save", full)
    words = ["train", "--epochs", "1", "--save", str(tmp_path / "net")]
    assert "Accuracy" in fails(capsys, words, 1, "could not save", "No space left")


def test_divergence_is_said(capsys):
    words = [*QUICK, "--output", "identity", "--optimizer", "sgd", "--lr", "1e30"]
    fails(capsys, words, 1, "in epoch 1, step 2 of", "try a smaller --learning-rate")


def test_npz_data(tmp_path, capsys):
    path = str(tmp_path / "set.npz")
    (x, y), (xt, yt) = fw.data.digits()
    arrays = {"x_train": x[:500].reshape(-1, 28, 28), "y_train": y[:500]}
    np.savez(path, **arrays, x_test=xt[:100].astype(np.int64).reshape(-1, 28, 28), y_test=yt[:100])
    assert main([*QUICK, "--data", path]) == 0
    assert "on 100 test images" in capsys.readouterr().out
    np.savez(path, **arrays)
    fails(capsys, [*QUICK, "--data", path], 1, "found no x_test, y_test")
    for bad in ({"x_test": xt[:9, :9]}, {"y_test": yt[:8]}, {"y_test": -yt[:9]},
                {"x_test": np.full((9, 784), np.nan)}, {"x_test": np.array([{}] * 9)}):  # fmt: skip
        np.savez(path, **arrays, **{"x_test": xt[:9], "y_test": yt[:9], **bad})
        fails(capsys, [*QUICK, "--data", path], 1, "--data: expected", path)
    (tmp_path / "set.npz").write_bytes(b"PK rubbish")
    fails(capsys, [*QUICK, "--data", path], 1, ".npz")
    fails(capsys, [*QUICK, "--data", str(tmp_path / "none.npz")], 1, "No such file")
    fails(capsys, [*QUICK, "--data", str(tmp_path)], 1, "train-images-idx3-ubyte")


# ---- interruptions
def test_ctrl_c_keeps_the_network(tmp_path):
    path = tmp_path / "net.safetensors"
    # a pytest that runs in the background would hand down an ignored SIGINT
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from featherweight.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["train", "--epochs", "1000000", "--save", str(path)]
    with subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        assert child.stdout.readline().startswith("784-16-16-10")
        time.sleep(0.5)  # into the first epochs; the outcome doesn't depend on which
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "stopped in epoch" in err
    assert "Traceback" not in err
    assert "Accuracy" in out
    assert fw.load(path).sizes == (784, 16, 16, 10)


def test_broken_pipe_is_quiet(tmp_path):
    path = tmp_path / "net.safetensors"
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "featherweight", "train", "--quiet", "--save", str(path)]
    ran = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(write)
    assert (ran.returncode, ran.stderr) == (141, "")
    assert path.exists()


# ---- predict
def test_predict(model, picture, capsys):
    net, images = fw.load(model), fw.data.digits().test.images[:3]
    assert main(["predict", model, picture]) == 0
    lines = capsys.readouterr().out.splitlines()
    for i, y in enumerate(net(images)):
        assert lines[i] == f"{picture}[{i}]: {y.argmax()} ({100 * y.max():.1f} %)"
    assert main(["predict", model, "--top", "3", "--json", picture]) == 0
    entries = json.loads(capsys.readouterr().out)
    for i, (entry, y) in enumerate(zip(entries, net(images), strict=True)):
        assert (entry["image"], entry["index"]) == (picture, i)
        assert entry["digit"] == y.argmax()
        assert entry["confidence"] == float(y.max())
        assert [c["digit"] for c in entry["top"]] == np.argsort(-y, kind="stable")[:3].tolist()


def test_a_bad_file_stops_no_other(model, picture, tmp_path, capsys):
    blank = tmp_path / "blank.npy"
    np.save(blank, np.zeros((28, 28)))
    words = ["predict", model, str(tmp_path / "none.png"), str(blank), picture, "--json"]
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert len(json.loads(out)) == 3
    missing, nothing = err.splitlines()
    assert "none.png: No such file" in missing
    assert "blank.npy: expected a digit, found a blank picture" in nothing


def test_scale_of_the_network_does_not_matter(model, picture, tmp_path, capsys):
    net = fw.load(model)
    other = fw.Network(net.sizes, rng=0)  # as one trained on pixels from 0 to 1
    other.parameters[:] = net.parameters
    other.save(tmp_path / "other")
    read = []
    for path in (model, str(tmp_path / "other")):
        assert main(["predict", path, picture]) == 0
        read.append(capsys.readouterr().out)
    assert read[0] == read[1]


def test_predict_errors(model, picture, tmp_path, capsys):
    fails(capsys, ["predict", model], 2, "IMAGE")
    fails(capsys, ["predict", model, picture, "--top", "0"], 2, "--top", "at least 1")
    fails(capsys, ["predict", model, picture, "--top", "11"], 2, "--top", "at most 10")
    fails(capsys, ["predict", str(tmp_path / "none"), picture], 1, "none: No such file")
    fails(capsys, ["predict", picture, picture], 1, "safetensors")
    path = str(tmp_path / "net")
    fw.Network([783, 10]).save(path)
    fails(capsys, ["predict", path, picture], 1, "784 inputs", "783")
    fw.Network([784, 10], output="identity").save(path)
    fails(capsys, ["predict", path, picture], 1, "classifier", "identity")


# ---- bench
def test_bench(capsys, tmp_path, monkeypatch):
    from featherweight.cli import bench

    few = [w._replace(rows=min(w.rows, 200)) for w in bench._WORKLOADS]
    monkeypatch.setattr(bench, "_WORKLOADS", few)
    monkeypatch.setattr(bench, "get_num_threads", lambda: 2)
    path = tmp_path / "bench.json"
    assert main(["bench", "--seconds", "0.01", "--json", str(path)]) == 0
    out = capsys.readouterr().out
    facts = json.loads(path.read_text())
    assert facts["instruction_set"] == fw._core.check_isa("")
    assert facts["cpu"] in out
    assert [w["threads"] for w in facts["workloads"]] == [1, 2] * len(few)
    for w in facts["workloads"]:
        assert w["title"] in out
        assert w["seconds"] > 0
        assert w["share"] > 0
        assert (w["numpy"] == 0) == w["title"].startswith("epoch")
    for seconds in ("0", "-1", "nan", "inf"):
        fails(capsys, ["bench", "--seconds", seconds], 2, "--seconds", "expected")
    fails(capsys, ["bench", "--seconds", "soon"], 2, "--seconds")
    monkeypatch.setattr(bench, "measure", lambda *_: pytest.fail("measured"))
    for path in (tmp_path / "no" / "a.json", tmp_path):
        fails(capsys, ["bench", "--json", str(path)], 2, "expected", "folder", "found")
    monkeypatch.undo()
    monkeypatch.setattr(bench.NumpyProcess, "prepare", lambda *_: np.zeros(10, np.float32))
    fails(capsys, ["bench", "--seconds", "0.01"], 1, "NumPy's answer")


def test_limits_are_measured():
    isa = fw.isas()[-1]
    single, double = (fw._core.fma_limit(isa, d) for d in (False, True))
    assert single > 1e8
    assert double > 1e8
    assert fw._core.read_limit(isa, 1 << 16) > 1e8
    with pytest.raises(ValueError, match="bytes: expected"):
        fw._core.read_limit(isa, 0)
    with pytest.raises(ValueError, match="sse9"):
        fw._core.fma_limit("sse9", False)


# ---- info
def test_info(capsys, monkeypatch):
    monkeypatch.setenv("FEATHERWEIGHT_ISA", "scalar")
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["featherweight"] == fw.__version__
    assert facts["numpy"] == np.__version__
    assert facts["build"] == fw._core.build_info()
    assert facts["instruction_sets"] == list(fw.isas())
    assert facts["default_instruction_set"] == "scalar"
    assert facts["threads"] == fw.get_num_threads()
    assert facts["environment"]["FEATHERWEIGHT_ISA"] == "scalar"
    assert {"safetensors", "tqdm"} <= set(facts["packages"])
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    for text in ("FEATHERWEIGHT_ISA", "instruction sets", facts["cpu"]):
        assert text in out
    monkeypatch.setenv("FEATHERWEIGHT_ISA", "none")
    assert main(["info"]) == 0  # it is what a person asks when something is wrong
    assert "expected" in capsys.readouterr().out


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_to_a_full_disk_is_one_sentence():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "featherweight", "info"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("featherweight info: error: could not write the output: No space")
    assert "Traceback" not in done.stderr

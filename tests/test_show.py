"""``featherweight show``: the files are the pictures that they are named for."""

import numpy as np
import pytest

import featherweight as fw
from featherweight.cli import main

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")


@pytest.fixture(autouse=True)
def _figures():
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


@pytest.fixture
def net(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = fw.Network([784, 16, 16, 10], input_scale=1 / 255, rng=0)
    net.biases[0] = np.full(16, 0.1)  # so that a blank input has a gradient
    net.save("net.safetensors")
    np.save("digit.npy", fw.data.digits().test.images[0])
    return net


def test_show(net, tmp_path, capsys):
    digit = np.load("digit.npy")
    assert main(["show", "net.safetensors", "digit.npy", "--dpi", "40"]) == 0
    written = capsys.readouterr().out.split()
    wanted = {
        "diagram": lambda: fw.plot.diagram(net, digit),
        "weights": lambda: fw.plot.weights(net),
        "saliency": lambda: fw.plot.saliency(net, digit),
    }
    for i in range(10):
        wanted[f"excites_{i}"] = lambda i=i: fw.plot.excite(net, -1, i)
    assert sorted(p.name for p in tmp_path.glob("*.png")) == sorted(f"{n}.png" for n in wanted)
    assert sorted(written) == sorted(f"./{n}.png" for n in wanted)
    assert not pyplot.get_fignums()
    for name, draw in wanted.items():
        draw().figure.savefig("wanted.png", dpi=40)
        assert np.array_equal(pyplot.imread(f"{name}.png"), pyplot.imread("wanted.png")), name
    assert not np.array_equal(pyplot.imread("excites_9.png"), pyplot.imread("excites_8.png"))


def test_show_leaves_no_pictures_of_another_network(net, tmp_path, capsys):
    assert main(["show", "net.safetensors", "digit.npy", "--dpi", "20"]) == 0
    (tmp_path / "mine.png").touch()
    fw.Network([784, 2], input_scale=1 / 255, rng=0).save("two.safetensors")
    capsys.readouterr()
    assert main(["show", "two.safetensors", "--dpi", "20"]) == 0
    written = capsys.readouterr().out.split()
    found = {f"./{p.name}" for p in tmp_path.glob("*.png")}
    assert found == {*written, "./mine.png"}
    assert "./excites_1.png" in written
    assert len(written) == 4


def test_show_warns_of_neurons_that_nothing_excites(net, capsys):
    net.biases[0] = np.full(16, -50.0)
    net.save("dead.safetensors")
    assert main(["show", "dead.safetensors", "--dpi", "20"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("featherweight show: warning: no gradient was found that excites")
    assert len(lines) == 10


def test_refusals(net, capsys):
    assert main(["show", "none.safetensors"]) == 1
    assert main(["show", "net.safetensors", "--out", "nowhere"]) == 2
    assert main(["show", "net.safetensors", "--dpi", "3"]) == 2
    assert main(["show", "net.safetensors", "net.safetensors"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 4

"""``featherweight show``: the files are the pictures that they are named for."""

import os

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


def test_show_removes_its_own_pictures_of_another_network(net, tmp_path, capsys):
    assert main(["show", "net.safetensors", "digit.npy", "--dpi", "20"]) == 0
    (tmp_path / "mine.png").touch()
    pyplot.figure().savefig("excites_7.png")  # somebody else's, by matplotlib
    (tmp_path / "excites_8.png").write_text("no picture")
    others = {n: (tmp_path / n).read_bytes() for n in ("excites_7.png", "excites_8.png")}
    fw.Network([784, 2], input_scale=1 / 255, rng=0).save("two.safetensors")
    capsys.readouterr()
    assert main(["show", "two.safetensors", "--dpi", "20"]) == 0
    said = capsys.readouterr()
    written = said.out.split()
    found = {f"./{p.name}" for p in tmp_path.glob("*.png")}
    kept = {"./mine.png", "./saliency.png", "./excites_7.png", "./excites_8.png"}
    assert found == {*written, *kept}
    assert all((tmp_path / name).read_bytes() == before for name, before in others.items())
    assert "./excites_1.png" in written
    assert len(written) == 4
    gone = [i for i in range(2, 10) if i not in (7, 8)]
    sentence = "featherweight show: removed ./excites_{}.png, which was of another network"
    assert said.err.splitlines() == [sentence.format(i) for i in gone]


def test_show_removes_what_a_network_without_images_can_not_have(net, tmp_path, capsys):
    assert main(["show", "net.safetensors", "digit.npy", "--dpi", "20"]) == 0
    fw.Network([5, 2], rng=0).save("five.safetensors")
    assert main(["show", "five.safetensors", "--dpi", "20"]) == 0
    assert [p.name for p in tmp_path.glob("*.png")] == ["diagram.png"]
    assert len(capsys.readouterr().err.splitlines()) == 12


@pytest.mark.parametrize("again", [(), ("digit.npy",)])
def test_show_keeps_a_saliency_that_is_not_its_own(net, tmp_path, again):
    pyplot.figure().savefig("saliency.png")
    before = (tmp_path / "saliency.png").read_bytes()
    assert main(["show", "net.safetensors", *again, "--dpi", "20"]) == 0
    kept = (tmp_path / "saliency.png").read_bytes() == before
    assert kept == (not again)  # of an image it is written anew


def test_show_warns_of_neurons_that_nothing_excites(net, capsys):
    net.biases[0] = np.full(16, -50.0)
    net.save("dead.safetensors")
    assert main(["show", "dead.safetensors", "--dpi", "20"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("featherweight show: warning: no gradient was found that excites")
    assert len(lines) == 10


def test_refusals(net, capsys):
    assert main(["show", "none.safetensors"]) == 1
    assert main(["show", "net.safetensors", "--out", "net.safetensors"]) == 2
    assert main(["show", "net.safetensors", "--dpi", "3"]) == 2
    assert main(["show", "net.safetensors", "net.safetensors"]) == 1
    assert main(["show", "net.safetensors", "--out", "net.safetensors/below"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 5
    assert main(["show", "none.safetensors", "--out", "new"]) == 1
    assert not os.path.exists("new")  # nothing is made for what can't be shown


def test_show_makes_its_folder(net, tmp_path):
    assert main(["show", "net.safetensors", "--out", "new/pictures"]) == 0
    names = os.listdir(tmp_path / "new" / "pictures")
    assert "diagram.png" in names
    assert all(name.endswith(".png") and not name.startswith(".") for name in names)


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="no folder that nobody can write to")
def test_show_finds_a_place_for_no_picture_before_it_draws(net, monkeypatch, capsys):
    monkeypatch.setattr("featherweight.cli.show._pictures", lambda *_: pytest.fail("drawn"))
    assert main(["show", "net.safetensors", "--out", "/proc"]) == 2
    assert main(["show", "net.safetensors", "--out", "/proc/new"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert all("--out: expected a folder" in line for line in lines)
    assert len(lines) == 2

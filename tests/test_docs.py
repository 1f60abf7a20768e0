"""The README's examples run, and what it says of them holds."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest

import featherweight as fw
from featherweight import cli

ROOT = Path(__file__).resolve().parents[1]


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S)


def test_the_screenful_runs(tmp_path, monkeypatch, capsys):
    (screenful,) = blocks(ROOT / "README.md", "python")
    monkeypatch.chdir(tmp_path)
    exec(compile(screenful, "README.md", "exec"), {})
    count, accuracy = capsys.readouterr().out.split()
    assert count == "13002"
    assert float(accuracy) > 0.9
    assert (tmp_path / "digits.safetensors").exists()


BARE = {"api.md", "behind.md", "guide.md", "performance.md"}  # of which nothing is to be run
PAGES = sorted(p.name for p in (ROOT / "docs").glob("*.md") if p.name != "README.md")
STORY = sorted(p.name for p in (ROOT / "docs" / "tutorial").glob("*.py"))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs(page, tmp_path, monkeypatch):
    parts = blocks(ROOT / "docs" / page, "python")
    assert bool(parts) == (page not in BARE)
    if any("LBFGS" in part for part in parts):
        pytest.importorskip("scipy", reason="SciPy is not installed")
    if any("featherweight.sklearn" in part for part in parts):
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    if any("fw.plot" in part for part in parts):
        pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
        pyplot.switch_backend("agg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "bench")  # as docs/conf.py has it
    names = {"__name__": "page"}
    for text in parts:
        exec(compile(text, page, "exec"), names)
    assert not list(tmp_path.iterdir())  # what it writes goes to a folder of its own


@pytest.fixture
def pyplot():
    found = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
    found.switch_backend("agg")
    yield found
    found.close("all")


@pytest.mark.parametrize("script", STORY)
def test_the_story_runs(script, pyplot):
    runpy.run_path(str(ROOT / "docs" / "tutorial" / script), run_name="story")
    assert pyplot.get_fignums() or "plot_2" in script


# by chapter: what is changed, and into what, so that the text is no longer true
UNTRUE = [
    ("1_neuron", "weights[13:16, 9:19] = 1", "weights[13:16, 9:19] = -1"),
    ("1_neuron", "bias = -6.0", "bias = -1.0"),
    ("2_network", "net.score(x, test.labels)", "np.mean(test.labels == test.labels)"),
    ("2_network", "a @ w.T + b", "a @ w.T"),
    ("3_training", "epochs=30", "epochs=1"),
    ("3_training", "w[3, 7] += step", "w[3, 8] += step"),
    ("4_inside", "net = trained(fw.Adam(3e-3))", "net = trained(fw.SGD(0.3))"),
    ("4_inside", "plain = trained(fw.SGD(0.3))", "plain = net"),
    ("4_inside", "epochs=20", "epochs=1"),
    ("5_race", '("sigmoid", 0.3)', '("sigmoid", 0.02)'),
    ("5_race", '("relu", 0.1)', '("relu", 0.001)'),
    ("5_race", "net = fw.Network(sizes, name,", 'net = fw.Network(sizes, "relu",'),
    ("6_confused", "rng.integers(0, 256, (2000, 784), dtype=np.uint8)", "np.zeros((2000, 784))"),
    ("6_confused", "np.roll(images, s, axis=2)", "images"),
    ("6_confused", "others[1] = 255", "others[1] = 0"),
    ("6_confused", "range(40)", "range(1)"),
]


@pytest.mark.parametrize(("chapter", "old", "new"), UNTRUE)
def test_the_story_asserts_what_it_says(chapter, old, new, pyplot):
    path = ROOT / "docs" / "tutorial" / f"plot_{chapter}.py"
    text = path.read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(AssertionError):
        exec(compile(text.replace(old, new), path.name, "exec"), {"__name__": "story"})


def test_every_page_is_listed():
    """By the folder's own list, and by the site's."""
    listed = re.findall(r"\]\(([^)]+\.md)\)", (ROOT / "docs" / "README.md").read_text("utf-8"))
    assert sorted(listed) == [p for p in PAGES if p != "index.md"]
    roots = "".join((ROOT / "docs" / f"{n}.md").read_text() for n in ("index", "guide", "behind"))
    trees = re.findall(r"```{toctree}\n(.*?)```", roots, re.S)
    names = [n for tree in trees for n in tree.split() if not n.startswith(":")]
    assert {f"{n}.md" for n in names} >= {p for p in PAGES if p != "index.md"}


def rows(page):
    """The first cells of a page's table, without its head."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"^\| `([^`]+)`", text, re.M)


def test_every_extra_and_every_command_is_told_of():
    with open(ROOT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    assert sorted(rows("install.md")) == sorted(project["optional-dependencies"])
    assert sorted(r.split()[1] for r in rows("command.md")) == sorted(cli._COMMANDS)


def test_every_public_name_is_in_the_reference():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   ([\w.]+)$", text, re.M))
    names = {n for n in fw.__all__ if callable(getattr(fw, n))} | set(fw.schedules.__all__)
    names |= {f"data.{n}" for n in fw.data.__all__} | {f"plot.{n}" for n in fw.plot.__all__}
    assert listed >= names


def test_every_picture_is_in_the_story():
    text = (ROOT / "docs" / "tutorial" / "plot_7_pictures.py").read_text(encoding="utf-8")
    assert set(re.findall(r"fw\.plot\.(\w+)\(", text)) == set(fw.plot.__all__)


def test_the_site_runs_what_the_tests_run():
    """A page's blocks marked python are its cells, in order; all other text stays text."""
    pytest.importorskip("myst_nb", reason="the extra docs is not installed")
    read = runpy.run_path(str(ROOT / "docs" / "_running.py"))["read"]
    for page in PAGES:
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        cells = read(text).cells
        code = [c.source for c in cells if c.cell_type == "code"]
        assert code == [b.rstrip("\n") for b in blocks(ROOT / "docs" / page, "python")]
        assert all("```python" not in c.source for c in cells)
        assert sum(len(c.source.split()) for c in cells) + 2 * len(code) == len(text.split())


def test_a_broken_example_would_be_noticed():
    (screenful,) = blocks(ROOT / "README.md", "python")
    with pytest.raises(AttributeError):
        exec(compile(screenful.replace("net.predict(", "net.predicts("), "README.md", "exec"), {})


def unfilled(text):
    """The names of a page's sections in which a benchmark has written nothing."""
    found = re.findall(r"^<!-- (\w+) -->\n(.*?)^<!-- /\1 -->", text, re.M | re.S)
    assert found
    return [name for name, section in found if not re.search(r"`python bench/\w+\.py`", section)]


@pytest.mark.parametrize("page", ["README.md", "docs/performance.md"])
def test_what_a_benchmark_writes_is_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert not unfilled(text)
    assert unfilled(text + "\n<!-- more -->\n<!-- /more -->\n") == ["more"]


def test_every_linked_file_exists():
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / name).read_text("utf-8")):
            assert (ROOT / link).exists(), f"{name}: {link}"

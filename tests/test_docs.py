"""The README's examples run, and what it says of them holds."""

import re
from pathlib import Path

import pytest

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


PAGES = sorted(p.name for p in (ROOT / "docs").glob("*.md") if p.name != "README.md")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs(page, tmp_path, monkeypatch):
    parts = blocks(ROOT / "docs" / page, "python")
    assert parts
    if any("LBFGS" in part for part in parts):
        pytest.importorskip("scipy", reason="SciPy is not installed")
    if any("featherweight.sklearn" in part for part in parts):
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for text in parts:
        exec(compile(text, page, "exec"), names)
    assert not list(tmp_path.iterdir())  # what it writes goes to a folder of its own


def test_every_page_is_listed():
    listed = re.findall(r"\]\(([^)]+)\)", (ROOT / "docs" / "README.md").read_text("utf-8"))
    assert sorted(listed) == PAGES


def test_a_broken_example_would_be_noticed():
    (screenful,) = blocks(ROOT / "README.md", "python")
    with pytest.raises(AttributeError):
        exec(compile(screenful.replace("net.predict(", "net.predicts("), "README.md", "exec"), {})


def test_every_linked_file_exists():
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / name).read_text("utf-8")):
            assert (ROOT / link).exists(), f"{name}: {link}"

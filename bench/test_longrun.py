"""The comparison of long runs, cut short and untimed: each library learns, and the docs' text."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import longrun
import report

BENCH = Path(__file__).resolve().parent


@pytest.mark.parametrize("name", longrun.LIBRARIES)
@pytest.mark.parametrize("key", longrun.CASES)
def test_each_library_learns(name, key):
    """Some digits by heart, by the same network, rate and penalty."""
    if not longrun.there([name]):
        pytest.skip("the peer is not installed: it is measured where it is")
    case = longrun.CASES[key]._replace(rows=300)
    library = longrun.LIBRARIES[name](case)
    begin = library.accuracy() if name != "scikit-learn" else 0.1
    for _ in range(6):
        library.run()
    assert library.accuracy() > max(0.8, begin)


@pytest.mark.parametrize("dtype", longrun.FACTORS)
@pytest.mark.parametrize("what", ["inputs", "weights"])
def test_answers_of_libraries_agree(dtype, what):
    """Scaled or not: within what numbers so small can be told apart."""
    for factor in (1.0, 1e-20):
        found = {n: f() for n, f in longrun.forwards(dtype, factor, what).items()}
        for y in found.values():
            np.testing.assert_allclose(y, found["NumPy"], rtol=1e-3, atol=1e-4 * factor)
    assert found["featherweight"].any() == (what == "inputs" or dtype == "float64")


def test_the_section_is_written(tmp_path):
    target = tmp_path / "found.json"
    command = [sys.executable, str(BENCH / "longrun.py"), "--epochs", "5", "--repeats", "1"]
    run = subprocess.run(
        [*command, "--only", "adam", "--json", str(target)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(target.read_text())
    ours = found["runs"]["adam"]["featherweight"]
    assert len(ours["fifths"]) == 5
    assert min(ours["fifths"]) > 0
    # made-up times: twice as slow in the end, and a tenth slower
    ours["fifths"] = [0.01, 0.011, 0.01, 0.01, 0.02]
    found["answers"]["float32"]["featherweight"] = {"ordinary": 0.002, "inputs * 1e-40": 0.3}
    found["answers"]["float32"] = {"featherweight": found["answers"]["float32"]["featherweight"]}
    docs = tmp_path / "docs.md"
    docs.write_text("before\n<!-- long-runs -->\n<!-- /long-runs -->\nafter\n")
    report.fill("long-runs", longrun.markdown(found), docs)
    text = docs.read_text()
    row = "| 784-64-10, Adam(1e-2), l2=1e-4 | featherweight | 10.0 ms | 1.10 | 1.00 | 1.00 | 2.00 |"
    assert row in text
    assert "| featherweight | 2.0 ms | 150.00 |" in text
    assert row.partition("featherweight")[0] in run.stdout
    assert text.startswith("before\n<!-- long-runs -->\n`python bench/longrun.py` on ")


def test_too_few_epochs_are_refused():
    run = subprocess.run(
        [sys.executable, str(BENCH / "longrun.py"), "--epochs", "4"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "--epochs: expected at least 5, found 4" in run.stderr

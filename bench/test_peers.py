"""The comparison's own parts: answers checked, a small run from end to end, the README."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import libraries
import peers
import report
import sweep
import workloads

BENCH = Path(__file__).resolve().parent


@pytest.mark.parametrize("key", workloads.WORKLOADS)
@pytest.mark.parametrize("name", ["featherweight", "NumPy"])
def test_answers(key, name):
    w = workloads.WORKLOADS[key]
    small = w.__class__(**{**w.__dict__, "rows": min(w.rows, 1024)})
    library = libraries.LIBRARIES[name]()
    if w.kind == "forward":
        f, x = library.forward(small, 1)
        found, expected = f(x).reshape(small.rows, -1), workloads.expected_outputs(small)
        found, tolerance = found[: workloads.CHECKED_ROWS], 1e-5
    else:
        run, check = library.epoch(small, 1)
        run()
        found, expected, tolerance = check(), workloads.expected_weights(small), 1e-3
    workloads.check(found, expected, tolerance)
    wrong = np.array(found, np.float64)
    wrong[0] += 5 * tolerance * np.abs(expected).max()
    with pytest.raises(ValueError, match="differs"):
        workloads.check(wrong, expected, tolerance)
    with pytest.raises(ValueError, match="not notice"):
        workloads.check(found, expected, np.inf)


def adds_to(target, found):
    """What adds to an earlier comparison keeps what it doesn't time, on such a machine alone."""
    command = [sys.executable, str(BENCH / "peers.py"), "--quick", "--only", "row-tiny"]
    command += ["--peers", "NumPy", "--add-to", str(target)]
    subprocess.run([*command, "--json", str(target)], capture_output=True, check=True)
    both = json.loads(target.read_text())
    assert both["workloads"]["row-small"] == found["workloads"]["row-small"]
    assert both["workloads"]["row-tiny"]["1"]["libraries"]["NumPy"]["least"] > 0
    target.write_text(json.dumps(both | {"cpu": "another"}))
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "expected a comparison of the same cpu" in run.stderr
    two = found["workloads"]["row-small"]["1"] | {"limit": {"flops": 1e9, "bytes": 1e9}}
    both["workloads"]["row-small"] = {"1": two}  # one thread's, as earlier versions stored it
    target.write_text(json.dumps(both))
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    both["workloads"]["row-small"]["2"] = two
    target.write_text(json.dumps(both))
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "--add-to: row-small: limit: expected the bytes/s that 2 threads read" in run.stderr


def test_a_small_comparison(tmp_path):
    target = tmp_path / "found.json"
    run = subprocess.run(
        [
            *(sys.executable, str(BENCH / "peers.py"), "--quick", "--only", "row-small"),
            *("--peers", "NumPy", "--json", str(target)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(target.read_text())
    one = found["workloads"]["row-small"]["1"]
    assert set(one["libraries"]) == {"featherweight", "NumPy"}
    assert all(0 < v["least"] <= v["median"] for v in one["libraries"].values())
    assert one["limit"]["flops"] > 0
    assert one["limit"]["bytes"].keys() == {"1"}
    assert one["limit"]["bytes"]["1"] > 0
    assert "one row, 4-64-64-2 tanh, 1 thread(s)" in run.stdout
    assert "x  NumPy" in run.stdout
    adds_to(target, found)
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- performance -->\n<!-- /performance -->\nafter\n")
    report.fill("performance", report.markdown(found), readme)
    text = readme.read_text()
    assert text.startswith("before\n<!-- performance -->\n`python bench/peers.py`")
    assert text.endswith("<!-- /performance -->\nafter\n")
    report.fill("performance", report.markdown(found), readme)
    assert readme.read_text() == text
    assert "| one row, 4-64-64-2 tanh | 1 |" in text
    readme.write_text("nothing to fill")
    with pytest.raises(ValueError, match="performance marks"):
        report.fill("performance", report.markdown(found), readme)


def test_shares_are_of_as_many_threads():
    """A limit for each number of threads; a single one, as earlier versions stored it, is one's."""
    w = workloads.WORKLOADS["row-wide"]
    limit = {"flops": 1e15, "bytes": {"1": 10e9, "2": 40e9}}
    for threads in (1, 2):
        least = w.weight_bytes / limit["bytes"][str(threads)]
        assert report.share(w, least, limit, threads) == (1.0, "reading")
    old = {"flops": 1e15, "bytes": 10e9}
    assert report.share(w, w.weight_bytes / 10e9, old, 1) == (1.0, "reading")
    with pytest.raises(ValueError, match="expected the bytes/s that 2 threads read, found those"):
        report.share(w, 1.0, old, 2)
    many = workloads.WORKLOADS["batch-wide"]
    assert report.share(many, many.flops / 2e15, old, 2) == (1.0, "FMA")
    slow = {"flops": 1.0, "bytes": {"1": 1e15}}
    assert report.share(w, w.flops, slow, 1) == (1.0, "FMA")


def test_the_best_limit_counts():
    a = {"flops": 3.0, "bytes": {"2": 5.0}}
    b = {"flops": 2.0, "bytes": {"2": 6.0}}
    assert peers.best({}, a) == a
    assert peers.best(a, b) == peers.best(b, a) == {"flops": 3.0, "bytes": {"2": 6.0}}


@pytest.mark.parametrize("threads", [1, 2])
def test_a_process_has_as_many_cores_and_threads(threads):
    one = peers.Worker("NumPy", threads)
    try:
        w = workloads.WORKLOADS["row-small"]
        assert one.ask(do="prepare", workload=dataclasses.asdict(w)) == {}
        cores = len(os.sched_getaffinity(0))
        for task in Path(f"/proc/{one.process.pid}/task").iterdir():
            assert len(os.sched_getaffinity(int(task.name))) == min(threads, cores)
    finally:
        one.close()


class Limits:
    """Stands for our own process: each measurement of the limit is ten times the last."""

    def __init__(self, flops):
        self.threads, self.flops, self.asked = 2, flops, 0

    def ask(self, do, workload):
        self.asked += 1
        self.flops *= 10
        return {"flops": self.flops, "bytes": {"2": 1e30}}


@pytest.mark.parametrize(("tenths", "asked"), [(1e1, 0), (1e-2, 2), (1e-9, 5)])
def test_a_share_above_1_is_measured_again(tenths, asked):
    """Until it is none, or a few times; then it is shown as it is, with a remark."""
    w = workloads.WORKLOADS["row-tiny"]
    first = w.flops * tenths * 1.01
    result = {
        "libraries": {"featherweight": {"least": 0.5}},
        "limit": {"flops": first, "bytes": {"2": 1e30}},
    }
    one = Limits(first)
    peers.raise_limit(one, w, result)
    assert one.asked == asked
    above = report.share(w, 0.5, result["limit"], 2)[0] > 1
    assert above == (asked == 5)
    results = {"cpu": "", "python": "", "date": "", "versions": {}}
    results["workloads"] = {"row-tiny": {"2": result}}
    assert ("more than 100%" in report.text(results)) == above
    assert ("More than 100%" in report.markdown(results)) == above


def test_the_sweep_finds_what_lags(tmp_path):
    """Made-up times: a peer ahead in one cell, our own speed sagging in another."""
    cells = [w for w in sweep.cells(quick=True) if w.rows == 16]
    assert len({w.key for w in sweep.cells(quick=False)}) == len(sweep.cells(quick=False)) > 150
    results = {}
    for w in cells:
        least = w.flops / 1e9 * (2 if w.key == "128x2x16" else 1)
        peer = least * (0.5 if w.key == "61x2x16" else 3)
        results[w.key] = {
            "flops": w.flops,
            "libraries": {"featherweight": {"least": least}, "NumPy": {"least": peer}},
        }
    found = sweep.ratios(results)
    assert sweep.behind(found) == ["61x2x16: 0.50 (NumPy)"]
    assert sweep.sagging(found) == ["128x2x16: 0.50 of its neighbours' speed"]
    even = dict.fromkeys(found, (3.0, "NumPy", 1000000000.0))
    assert not sweep.behind(even)
    assert not sweep.sagging(even)
    text = sweep.markdown(found, "NumPy 2")
    assert f"{len(found)} networks" in text
    assert f"fastest in {len(found) - 1}; in the others it takes up to 2.00 times" in text
    assert "more than 3.0 times" in text
    assert "in the others" not in sweep.markdown(even, "NumPy 2")
    pytest.importorskip("matplotlib")
    sweep.plot(found, tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 1000


def luminance(colours):
    """The relative luminance of colours of sRGB (WCAG 2)."""
    c = np.asarray(colours)[..., :3]
    linear = np.where(c <= 0.03928, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_the_sweep_is_read_in_grey(tmp_path, monkeypatch):
    """The larger a ratio, the brighter its cell, and each cell's figure stands out from it."""
    colours = pytest.importorskip("matplotlib.colors")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    close = pyplot.close
    monkeypatch.setattr(pyplot, "close", lambda figure: None)
    widths = (1, 2, 4, 8, 16, 32, 64)
    ratios = (0.1, 0.3, 0.9, 1.0, 1.2, 3.0, 40.0)
    sweep.plot(
        {f"{w}x2x1": (r, "NumPy", 1.0) for w, r in zip(widths, ratios, strict=True)},
        tmp_path / "map.png",
    )
    axes = pyplot.gcf().axes[0]
    (image,) = axes.images
    cells = luminance(image.cmap(image.norm(image.get_array()[0])))
    ink = luminance([colours.to_rgba(text.get_color()) for text in axes.texts])
    close("all")
    assert (np.diff(cells) > 0).all()
    bright, dark = np.maximum(cells, ink) + 0.05, np.minimum(cells, ink) + 0.05
    assert len(ink) == len(ratios)
    assert (bright / dark > 4).all()

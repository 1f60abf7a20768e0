"""Fixtures, and the record of instruction sets: a full run that leaves one out fails."""

import os
from pathlib import Path

import numpy as np
import pytest

import compare

TESTS = Path(__file__).resolve().parent
PATHS = ("one row", "rows", "uint8", "gradients", "fit")
# files marked smoke as a whole: quick ones, of every part, less than a minute in all
SMOKE = {
    *("test_alignment", "test_arrays", "test_call", "test_callbacks", "test_cli_words"),
    *("test_files", "test_hints", "test_idx", "test_looking", "test_network", "test_refusals"),
    *("test_schedules", "test_sklearn_validation", "test_steps", "test_stretch", "test_svg"),
    *("test_threads", "test_training", "test_unscaled", "test_words"),
}
RECORD = pytest.StashKey[set]()
DESELECTED = pytest.StashKey[list]()
MEASURED = pytest.StashKey[list]()


def isas():
    import featherweight as fw

    return fw.isas()


def pytest_generate_tests(metafunc):
    """The fixture isa: every instruction set that can run here."""
    if "isa" in metafunc.fixturenames:
        metafunc.parametrize("isa", isas())


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    """The network's dtype."""
    return request.param


@pytest.fixture
def exercised(request):
    """Call with a network and a path: what this run has exercised, by the network's own word."""
    record = request.config.stash[RECORD]

    def note(net, path):
        assert path in PATHS
        record.add((net.isa, path))

    return note


@pytest.fixture
def measured(request):
    """Call with a line for the summary of a verbose run."""
    return request.config.stash[MEASURED].append


# ---- the page to draw on, in a real browser, which drawing.py needs
@pytest.fixture(scope="module")
def address():
    """Where the command serves the page."""
    import drawing

    with drawing.served() as (address, _):
        yield address


@pytest.fixture(scope="module")
def browser():
    import drawing

    with drawing.launched() as browser:
        yield browser


@pytest.fixture
def page(browser, address):
    """The page, at a desktop's size."""
    import drawing

    with drawing.opened(browser, address) as page:
        yield page


# ---- the record, in the summary and in the exit status
def pytest_configure(config):
    config.stash[RECORD] = set()
    config.stash[DESELECTED] = []
    config.stash[MEASURED] = []
    line = "not_sanitized(reason): of no use, or too slow, in a process that has a sanitizer"
    config.addinivalue_line("markers", line)


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items):
    """Mark the quick files, and skip under tools/sanitize what is marked so."""
    for item in items:
        if item.path.stem in SMOKE:
            item.add_marker("smoke")
    if not any(name in os.environ.get("LD_PRELOAD", "") for name in ("libasan", "libtsan")):
        return
    for item in items:
        for mark in item.iter_markers("not_sanitized"):
            item.add_marker(pytest.mark.skip(reason=f"under a sanitizer: {mark.kwargs['reason']}"))


def pytest_deselected(items):
    for item in items:
        item.config.stash[DESELECTED].append(item)


def is_full(config):
    """Whether the run was asked for all of the tests."""
    return (
        all(TESTS.is_relative_to(Path(a).resolve()) for a in config.args)
        and not config.stash[DESELECTED]
        and not config.option.collectonly
        and not hasattr(config, "workerinput")  # one of several processes, which tell the first
    )


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """Take over what one of pytest-xdist's processes has recorded."""
    told = getattr(node, "workeroutput", {})
    node.config.stash[RECORD].update(map(tuple, told.get("record", ())))
    node.config.stash[DESELECTED].extend(told.get("deselected", ()))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session, exitstatus):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["record"] = sorted(session.config.stash[RECORD])
        names = [item.nodeid for item in session.config.stash[DESELECTED]]
        session.config.workeroutput["deselected"] = names
    if exitstatus != pytest.ExitCode.OK or not is_full(session.config):
        return
    if compare.missing_paths(session.config.stash[RECORD], isas(), PATHS):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    if config.stash[MEASURED] and config.option.verbose > 0:
        terminalreporter.section("largest errors")
        for line in config.stash[MEASURED]:
            terminalreporter.write_line(line)
    seen = config.stash[RECORD]
    if not seen and not is_full(config):
        return
    names = [isa for isa in isas() if any(isa == s for s, _ in seen)]
    paths = [p for p in PATHS if any(p == s for _, s in seen)]
    terminalreporter.write_line(f"instruction sets exercised: {' '.join(names) or 'none'}")
    terminalreporter.write_line(f"paths exercised: {', '.join(paths) or 'none'}")
    missing = compare.missing_paths(seen, isas(), PATHS)
    if missing and is_full(config):
        terminalreporter.write_line(f"ERROR: not exercised: {', '.join(missing)}", red=True)

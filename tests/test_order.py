"""Which of the package's rooms may import which, and that no imports go round in a circle.

Imports inside functions count, those for type checkers too, and those by ``ensure_imported``. The
order stands in ARCHITECTURE.md, and nowhere else.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "featherweight"
# what is above or beside all: the public names, the module run, and names for older pickles
BESIDE = {"__init__", "__main__", "_old", "_pyinstaller"}

pytestmark = pytest.mark.skipif(not PACKAGE.is_dir(), reason="no sources beside the tests")


def levels(text):
    """The level of each room, by the block of ARCHITECTURE.md, from the lowest."""
    block = re.search(r"^```order\n(.*?)^```$", text, flags=re.M | re.S)[1]
    return {room: i for i, line in enumerate(block.splitlines()) for room in line.split()}


LEVELS = levels((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
SOURCES = {
    p.relative_to(PACKAGE).with_suffix("").as_posix().removesuffix("/__init__"): p.read_text(
        "utf-8"
    )
    for p in sorted(PACKAGE.rglob("*.py"))
}


def room(module):
    """The room that a module, such as training/run, is in."""
    return module.split("/")[0]


def imports(module, text, known):
    """The modules of ours that a module's text imports, wherever it does."""
    package = module.split("/") if is_package(module, known) else module.split("/")[:-1]
    found = set()

    def add(parts, names=()):
        """Note a module, or those of its names that are modules."""
        target = "/".join(parts)
        own = {f"{target}/{n}".strip("/") for n in names} & known
        found.update(own)
        if target in known and (not names or len(own) < len(names)):
            found.add(target)

    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".") if node.module else []
            if node.level:
                parts = package[: len(package) - node.level + 1] + parts
            elif parts[0] == "featherweight":
                parts = parts[1:]
            else:
                continue
            add(parts, [a.name for a in node.names])
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "featherweight":
                    add(alias.name.split(".")[1:] or ["__init__"])
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ensure_imported":
            for value in node.args:
                if isinstance(value, ast.Constant) and value.value.startswith("."):
                    add(value.value[1:].split("."))
    return found - {module}


def is_package(module, known):
    """Whether a module is the __init__ of a folder."""
    return any(k.startswith(f"{module}/") for k in known)


def graph(sources):
    """What each module imports."""
    known = set(sources)
    return {m: imports(m, text, known) for m, text in sources.items() if room(m) not in BESIDE}


def upward(sources, order):
    """Imports of a room that isn't lower: (importer, imported)."""
    wrong = []
    for module, targets in graph(sources).items():
        for target in sorted(targets):
            here, there = room(module), room(target)
            if here == there:
                continue
            if there not in order or here not in order or order[there] >= order[here]:
                wrong.append((module, target))
    return wrong


def circles(sources):
    """The modules that lie on a circle of imports."""
    left = graph(sources)
    while True:
        ends = {m for m, targets in left.items() if not targets & set(left)}
        if not ends:
            break
        left = {m: targets for m, targets in left.items() if m not in ends}
    # now also those that are imported by none that is left
    while True:
        used = set().union(*left.values()) if left else set()
        tops = set(left) - used
        if not tops:
            return sorted(left)
        left = {m: targets for m, targets in left.items() if m not in tops}


def test_every_room_has_its_level():
    rooms = {room(m) for m in SOURCES} - BESIDE - {""}
    assert rooms == set(LEVELS)


def test_imports_go_down():
    assert upward(SOURCES, LEVELS) == []


def test_no_imports_go_round():
    assert circles(SOURCES) == []


@pytest.mark.parametrize(
    "planted",
    [
        "from .. import network\n",
        "from ..network import Network\n",
        "def f():\n    from ..training.run import Run\n",
        "if TYPE_CHECKING:\n    from ..training.run import Run\n",
        "import featherweight as fw\n",
        "import featherweight.cli\n",
        "def f():\n    ensure_imported('numpy.random', '.training.fit')\n",
    ],
)
def test_a_planted_import_is_found(planted):
    sources = SOURCES | {"model/model": SOURCES["model/model"] + planted}
    assert {module for module, _ in upward(sources, LEVELS)} == {"model/model"}


@pytest.mark.parametrize(
    ("module", "planted"),
    [
        ("support/tables", "def f():\n    from .checks import number\n"),
        ("model/parameters", "if TYPE_CHECKING:\n    from .model import Model\n"),
        ("optimizers/base", "from . import Adam\n"),
    ],
)
def test_a_planted_circle_is_found(module, planted):
    assert module in circles(SOURCES | {module: SOURCES[module] + planted})


def test_downward_imports_are_none():
    """And names that aren't modules, from below, are no modules."""
    sources = SOURCES | {"network": SOURCES["network"] + "from .support.checks import number\n"}
    assert upward(sources, LEVELS) == []

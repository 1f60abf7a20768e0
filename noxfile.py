#!/usr/bin/env -S uv run --script
# /// script
# dependencies = ["nox>=2025.2.9"]
# ///
"""The checks, one at a time, each in an environment of its own: nox -s smoke, nox -l.

The commands are those of tools/check, which .ci/run calls too, for all checks at once. With
``nox --no-venv`` they run in the environment that is active, where nothing is installed.
"""

import re
import tomllib
from pathlib import Path

import nox
from packaging.requirements import Requirement

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"

ROOT = Path(__file__).resolve().parent
USER_EXTRAS = ("images", "data", "lbfgs", "sklearn", "plot", "draw")


def install(session, *what):
    """Install into the session's environment, if it has one of its own."""
    if session.venv_backend != "none":
        session.install(*what)


def check(session, *arguments):
    """Run tools/check, its results in the session's temporary folder."""
    work = Path(session.create_tmp()).resolve()
    session.run("tools/check", *arguments, env={"CHECK_WORK": str(work)}, external=True)


def oldest_versions():
    """Return constraints: the lowest version, any patch of it, of all that users may install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *(r for name in USER_EXTRAS for r in extras[name])]
    constraints = []
    for requirement in map(Requirement, needed):
        (lowest,) = (s.version for s in requirement.specifier if s.operator == ">=")
        major, minor = re.match(r"(\d+)(?:\.(\d+))?", lowest).groups("0")
        constraints.append(f"{requirement.name}=={major}.{minor}.*")
    return constraints


@nox.session
def lint(session):
    """Style by ruff, spelling by codespell, workflows by zizmor."""
    install(session, "--group", "lint", "--group", "repository")
    check(session, "lint")
    session.run("codespell")
    session.run("zizmor", "--offline", "--quiet", ".github")


@nox.session
def types(session):
    """Types by mypy, and the stubs of the compiled module."""
    install(session, ".", "--group", "lint")
    check(session, "types")


@nox.session(default=False)
def tests(session):
    """All Python tests; nox -s tests -- tests/test_many.py for some."""
    install(session, ".[test]")
    check(session, "tests", *session.posargs)


@nox.session
def smoke(session):
    """The quick tests, under a minute: to be run while working."""
    install(session, ".[test]")
    check(session, "smoke", *session.posargs)


@nox.session(python="3.11", default=False)
def oldest(session):
    """The oldest Python, NumPy and other libraries that pyproject.toml promises."""
    constraints = Path(session.create_tmp()).resolve() / "oldest.txt"
    constraints.write_text("\n".join(oldest_versions()) + "\n", encoding="utf-8")
    install(session, ".[test]", "--constraint", str(constraints))
    check(session, "tests", *session.posargs)


@nox.session(default=False)
def cpp(session):
    """The C++ tests of presets, dev without any: nox -s cpp -- release aarch64."""
    install(session, "--group", "cpp")
    for preset in session.posargs or ["dev"]:
        check(session, "cpp", preset)


@nox.session(default=False)
def sanitizers(session):
    """C++ and Python tests under a sanitizer, asan unless told: nox -s sanitizers -- tsan."""
    install(session, ".[test]", "--group", "cpp")
    for kind in session.posargs or ["asan"]:
        check(session, "sanitize", kind)


@nox.session(default=False)
def docs(session):
    """The site, with all its code run, no warning let pass."""
    install(session, ".[test]", "--group", "docs")
    check(session, "docs")


@nox.session(default=False)
def bench(session):
    """The benchmarks' answers, untimed; bench/README.md has the timed ones."""
    install(session, ".[test]")
    check(session, "bench")
    check(session, "command")


if __name__ == "__main__":
    nox.main()

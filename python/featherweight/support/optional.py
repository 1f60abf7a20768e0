"""Packages that come with an extra: imported when they are used, or else how to get them."""

from importlib import import_module
from typing import Any

from .imports import ensure_imported

_NAMES = {"PIL": "Pillow", "scipy": "SciPy", "sklearn": "scikit-learn 1.6 or newer"}


def installing(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'featherweight[{extra}]'"


def need(module: str, extra: str, what: str) -> Any:
    """Import a module of an extra, or say that `what` needs it, and how to get it.

    Raises
    ------
    ImportError
        If it isn't installed.
    """
    ensure_imported(module)
    try:
        return import_module(module)
    except ImportError:
        raise missing(module, extra, what) from None


def missing(module: str, extra: str, what: str) -> ImportError:
    """Return the error that says that `what` needs a module of an extra, and how to get it."""
    package = module.partition(".")[0]
    return ImportError(
        f"{what} needs {_NAMES.get(package, package)}, which is not installed: {installing(extra)}"
    )

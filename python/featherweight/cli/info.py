"""``featherweight info``: what is installed, and what it can use here."""

import argparse
import os
import platform
from typing import Any

import numpy as np

from .. import _core
from ..support.threads import get_num_threads
from . import Parser, say


def parser() -> Parser:
    """Return the parser of this command's options."""
    p = Parser(
        prog="featherweight info",
        description="Say what this installation is and what it can use here.",
        allow_abbrev=False,
    )
    p.add_argument("--json", action="store_true", help="as one JSON object")
    return p


def run(options: argparse.Namespace) -> int:
    """Print the facts and return the exit status."""
    facts = collect()
    if options.json:
        import json

        say(json.dumps(facts, indent=2))
        return 0
    lines = []
    for name, value in facts.items():
        if isinstance(value, dict):
            lines += [(f"{name}: {k}", v) for k, v in value.items()] or [(name, "none")]
        else:
            lines.append(
                (name.replace("_", " "), ", ".join(value) if isinstance(value, list) else value)
            )
    width = max(len(name) for name, _ in lines) + 2
    for name, value in lines:
        say(f"{name:<{width}}{'not installed' if value is None else value}")
    return 0


def collect() -> dict[str, Any]:
    """Return the facts by name, as JSON can hold them."""
    try:
        default = _core.check_isa(os.environ.get("FEATHERWEIGHT_ISA", ""))
    except ValueError as e:
        default = f"none: {e}"
    prefix = "FEATHERWEIGHT_"
    return {
        "featherweight": _core.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "numpy": np.__version__,
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "build": dict(_core.build_info()),
        "instruction_sets": list(_core.isas()),
        "default_instruction_set": default,
        "threads": get_num_threads(),
        "environment": {k: v for k, v in sorted(os.environ.items()) if k.startswith(prefix)},
        "packages": packages(),
    }


def cpu_model() -> str:
    """Return the processor's name as the system gives it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as f:
            for line in f:
                name, _, value = line.partition(":")
                if name.strip() in ("model name", "Model", "Processor") and value.strip():
                    return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"


def packages() -> dict[str, str | None]:
    """Return the versions of what the package needs or can use, None for what isn't installed."""
    import re
    from importlib import metadata

    names = ["safetensors", "tqdm"]
    try:
        for requirement in metadata.requires("featherweight") or ():
            extra = re.search(r"""extra\s*==\s*["']([\w-]+)["']""", requirement)
            name = re.match(r"[\w.-]+", requirement)
            if name and extra and extra[1] not in ("test", "lint", "docs", "dev"):
                names.append(name[0])
    except metadata.PackageNotFoundError:
        names += ["pillow", "pooch"]
    versions: dict[str, str | None] = {}
    for name_ in names:
        try:
            versions[name_] = metadata.version(name_)
        except metadata.PackageNotFoundError:
            versions[name_] = None
    return versions

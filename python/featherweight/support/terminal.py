"""Whether there is somebody to show something to."""

import os
import sys
from typing import Any


def watched() -> bool:
    """Is a person watching: a terminal, or a notebook?"""
    if not writable():
        return False
    if "ipykernel" in sys.modules:
        return True
    try:
        return bool(sys.stderr.isatty())
    except Exception:  # of an object that stands for a stream
        return False


def writable() -> bool:
    """Is there a stderr? A daemon or an application with windows has none, or a closed one."""
    stream: Any = sys.stderr
    if stream is None or getattr(stream, "closed", False):
        return False
    try:
        number = stream.fileno()
    except Exception:  # one that isn't a file, such as a log's
        return hasattr(stream, "write")
    try:
        os.fstat(number)
    except (OSError, TypeError):
        return False
    return True

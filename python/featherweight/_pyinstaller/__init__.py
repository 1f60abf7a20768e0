"""Where PyInstaller finds the hook of this package (the entry point ``pyinstaller40``)."""

import os


def get_hook_dirs() -> list[str]:
    """Return the folder of the hook."""
    return [os.path.dirname(__file__)]

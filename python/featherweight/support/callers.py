"""Where in the caller's code a warning belongs."""

import sys


def callers_level() -> int:
    """Return the stack level of the user's call, as `warn` counts it.

    A scikit-learn estimator's methods are called by way of scikit-learn.
    """
    level, frame = 1, sys._getframe(1).f_back
    while frame is not None:
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package not in ("featherweight", "sklearn"):
            break
        level, frame = level + 1, frame.f_back
    return level + 1

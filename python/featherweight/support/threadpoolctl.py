"""Our pool among those that threadpoolctl, where a program uses it, lists and limits."""

import sys
from typing import Any

_registered: Any = None  # the module that knows us


def register() -> None:
    """Make the pool known to threadpoolctl, once, if that has been imported by now.

    Importing it for all who don't use it would cost more than the rest of our own import. It's
    looked for when featherweight is imported and whenever a network is made.
    """
    global _registered
    if sys.modules.get("threadpoolctl") in (None, _registered):
        return
    import importlib

    module: Any = importlib.import_module("threadpoolctl")  # whole, if another thread is at it
    _registered = module
    if not hasattr(module, "register"):  # before its version 3.2
        return

    class Featherweight(module.LibController):  # type: ignore[misc]
        """The limit holds for all networks, those already made too, while it's set."""

        user_api = "featherweight"
        internal_api = "featherweight"
        filename_prefixes = ("_core.",)
        check_symbols = ("featherweight_set_thread_limit", "featherweight_thread_limit")

        def get_num_threads(self) -> int:
            from .threads import available_threads

            return self.dynlib.featherweight_thread_limit() or available_threads()

        def set_num_threads(self, num_threads: int) -> None:
            self.dynlib.featherweight_set_thread_limit(max(1, num_threads))

        def get_version(self) -> str:
            from .._core import __version__

            return __version__

    module.register(Featherweight)

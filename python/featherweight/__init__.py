"""Small and middling dense neural networks on a CPU: fused layers, the same bits everywhere."""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._core import __version__
from .network import Network, isas, load
from .support import threadpoolctl as _threadpoolctl
from .support.hints import module_attribute as _module_attribute
from .support.hints import set_package
from .support.imports import ensure_imported, refuse_at_end
from .support.threads import get_num_threads, set_num_threads

if TYPE_CHECKING:
    from . import data, looking, losses, plot, schedules
    from .model.gradients import Gradients
    from .optimizers import LBFGS, SGD, Adam, AdamW, RMSprop
    from .training.callbacks import EarlyStopping, TrainingState
    from .training.checkpoint import Checkpoint
    from .training.history import History
    from .training.many import fit_many
    from .training.metrics import Metric
    from .training.unscaled import UnscaledInputWarning

_threadpoolctl.register()
set_package(sys.modules[__name__])

# modules by the names that they had when objects in older pickles were made
__path__.append(os.path.join(os.path.dirname(__file__), "_old"))

# What a process that only answers needn't import, and where it is
_LATER = {
    "data": "",
    "looking": "",
    "losses": "",
    "plot": "",
    "schedules": "",
    "EarlyStopping": "training.callbacks",
    "TrainingState": "training.callbacks",
    "Checkpoint": "training.checkpoint",
    "Gradients": "model.gradients",
    "History": "training.history",
    "LBFGS": "optimizers",
    "fit_many": "training.many",
    "Metric": "training.metrics",
    "SGD": "optimizers",
    "Adam": "optimizers",
    "AdamW": "optimizers",
    "RMSprop": "optimizers",
    "UnscaledInputWarning": "training.unscaled",
}


def __getattr__(name: str) -> Any:
    """Import what is used for the first time."""
    try:
        module = _LATER[name]
    except KeyError:
        raise _module_attribute(__name__, name) from None
    refuse_at_end()
    if module:  # else it may be one of our own modules that asks, as it is imported
        ensure_imported(f".{module}")
    found = import_module(f".{module or name}", __name__)
    globals()[name] = found = getattr(found, name) if module else found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


__all__ = [
    "LBFGS",
    "SGD",
    "Adam",
    "AdamW",
    "Checkpoint",
    "EarlyStopping",
    "Gradients",
    "History",
    "Metric",
    "Network",
    "RMSprop",
    "TrainingState",
    "UnscaledInputWarning",
    "__version__",
    "data",
    "fit_many",
    "get_num_threads",
    "isas",
    "load",
    "looking",
    "losses",
    "plot",
    "schedules",
    "set_num_threads",
]

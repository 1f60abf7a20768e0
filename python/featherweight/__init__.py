"""Small and middling dense neural networks on a CPU: fused layers, the same bits everywhere."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import _threadpoolctl
from ._core import __version__
from ._imports import ensure_imported
from .network import Network, isas
from .threads import get_num_threads, set_num_threads

if TYPE_CHECKING:
    from . import data, looking, losses, plot, schedules
    from .callbacks import EarlyStopping, TrainingState
    from .checkpoint import Checkpoint
    from .files import load
    from .gradients import Gradients
    from .history import History
    from .lbfgs import LBFGS
    from .many import fit_many
    from .metrics import Metric
    from .optimizers import SGD, Adam, AdamW, RMSprop
    from .unscaled import UnscaledInputWarning

_threadpoolctl.register()

# What a process that only answers needn't import, and where it is
_LATER = {
    "data": "",
    "looking": "",
    "losses": "",
    "plot": "",
    "schedules": "",
    "EarlyStopping": "callbacks",
    "TrainingState": "callbacks",
    "Checkpoint": "checkpoint",
    "load": "files",
    "Gradients": "gradients",
    "History": "history",
    "LBFGS": "lbfgs",
    "fit_many": "many",
    "Metric": "metrics",
    "SGD": "optimizers",
    "Adam": "optimizers",
    "AdamW": "optimizers",
    "RMSprop": "optimizers",
    "UnscaledInputWarning": "unscaled",
}


def __getattr__(name: str) -> Any:
    """Import what is used for the first time."""
    try:
        module = _LATER[name]
    except KeyError:
        from .hints import module_attribute

        raise module_attribute(__name__, name) from None
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

"""Small and middling dense neural networks on a CPU: fused layers, the same bits everywhere."""

from importlib import import_module
from typing import Any

from . import _threadpoolctl, data, losses, schedules
from ._core import __version__, isas
from .callbacks import EarlyStopping, TrainingState
from .checkpoint import Checkpoint
from .files import load
from .gradients import Gradients
from .history import History
from .lbfgs import LBFGS
from .many import fit_many
from .metrics import Metric
from .network import Network
from .optimizers import SGD, Adam, AdamW, RMSprop
from .threads import get_num_threads, set_num_threads

_threadpoolctl.register()


def __getattr__(name: str) -> Any:
    """Import, when they are first used, the modules that most programs don't need."""
    if name in ("looking", "plot"):
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


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

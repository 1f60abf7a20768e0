"""Small and middling dense neural networks on a CPU: fused layers, the same bits everywhere."""

from . import _threadpoolctl, data, schedules
from ._core import __version__, isas
from .files import load
from .gradients import Gradients
from .network import Network
from .optimizers import SGD, Adam, AdamW, RMSprop
from .threads import get_num_threads, set_num_threads
from .training import History, TrainingState

_threadpoolctl.register()

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Gradients",
    "History",
    "Network",
    "RMSprop",
    "TrainingState",
    "__version__",
    "data",
    "get_num_threads",
    "isas",
    "load",
    "schedules",
    "set_num_threads",
]

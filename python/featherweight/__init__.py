"""Small and middling dense neural networks on a CPU: fused layers, the same bits everywhere."""

from . import _threadpoolctl, data
from ._core import __version__, isas
from .files import load
from .network import Network
from .optimizers import SGD, Adam
from .threads import get_num_threads, set_num_threads
from .training import Gradients, History, TrainingState

_threadpoolctl.register()

__all__ = [
    "SGD",
    "Adam",
    "Gradients",
    "History",
    "Network",
    "TrainingState",
    "__version__",
    "data",
    "get_num_threads",
    "isas",
    "load",
    "set_num_threads",
]

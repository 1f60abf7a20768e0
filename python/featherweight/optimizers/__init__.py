"""The optimizers: small objects that hold their settings and, between calls, their state."""

from .base import Optimizer, check_optimizer
from .first_order import SGD, Adam, AdamW, RMSprop
from .lbfgs import LBFGS

__all__ = ["LBFGS", "SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "check_optimizer"]

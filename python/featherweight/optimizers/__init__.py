"""The optimizers: small objects that hold their settings and, between calls, their state."""

from .base import SGD, Adam, AdamW, Optimizer, RMSprop, check_optimizer

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "check_optimizer"]

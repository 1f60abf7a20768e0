"""The module as pickles made by older versions name it."""

from featherweight.training.checkpoint import Checkpoint

__all__ = ["Checkpoint"]

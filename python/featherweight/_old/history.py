"""The module as pickles made by older versions name it."""

from featherweight.training.history import History

__all__ = ["History"]

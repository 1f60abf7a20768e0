"""The module as pickles made by older versions name it."""

from featherweight.training.callbacks import EarlyStopping, TrainingState

__all__ = ["EarlyStopping", "TrainingState"]

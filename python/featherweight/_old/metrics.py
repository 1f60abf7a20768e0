"""The module as pickles made by older versions name it."""

from featherweight.training.metrics import Metric, _Named

__all__ = ["Metric", "_Named"]

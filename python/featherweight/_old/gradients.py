"""The module as pickles made by older versions name it."""

from featherweight.model.gradients import Gradients

__all__ = ["Gradients"]

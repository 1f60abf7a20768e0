"""The module as pickles made by older versions name it."""

from featherweight.training.unscaled import UnscaledInputWarning

__all__ = ["UnscaledInputWarning"]

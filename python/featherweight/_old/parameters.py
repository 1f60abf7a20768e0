"""The module as pickles made by older versions name it."""

from featherweight.model.parameters import Parameters

__all__ = ["Parameters"]

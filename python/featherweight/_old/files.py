"""The module as pickles made by older versions name it."""

from featherweight.network import load

__all__ = ["load"]

"""The module as pickles made by older versions name it."""

from featherweight.network import Remembering

__all__ = ["Remembering"]

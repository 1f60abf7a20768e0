"""The module as pickles made by older versions name it."""

from featherweight.exchange.safetensors import load

__all__ = ["load"]

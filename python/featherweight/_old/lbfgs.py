"""The module as pickles made by older versions name it."""

from featherweight.optimizers.lbfgs import LBFGS

__all__ = ["LBFGS"]

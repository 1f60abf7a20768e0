"""The module as pickles made by older versions name it."""

from featherweight.training.many import fit_many

__all__ = ["fit_many"]

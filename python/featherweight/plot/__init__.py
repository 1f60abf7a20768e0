"""Pictures of networks, by matplotlib (the extra ``plot``).

Each function draws into `ax` if it is given one and returns it; otherwise it makes a figure and
returns its Axes. None calls ``show``. Signed numbers are drawn in ``cividis`` on a scale that is
the same on both sides of 0: it goes from dark through grey, which is 0, to light, and so can be
read in black and white and by the colour-blind.
"""

from typing import TYPE_CHECKING, Any

from ._images import activations, excite, misread, saliency, weights
from ._measures import confusion_matrix, learning_curves
from ._networks import diagram

__all__ = [
    "activations",
    "confusion_matrix",
    "diagram",
    "excite",
    "learning_curves",
    "misread",
    "saliency",
    "weights",
]


if not TYPE_CHECKING:  # a type checker knows the names, and would take any then

    def __getattr__(name: str) -> Any:
        from ..support.hints import module_attribute

        raise module_attribute(__name__, name)

"""What a training run does, and with which data."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..exchange.safetensors import Content
from ..losses import Loss
from ..model.samples import Samples, split_rows
from ..optimizers import Optimizer
from ..support.changes import Place
from .callbacks import Callback
from .metrics import Metric, check_multilabel
from .progress import Shown


@dataclass
class Plan:
    """What a training run does, and with which data: all of it checked.

    `fit.prepare` makes it of the arguments of `Network.fit`.
    """

    epochs: int
    batch_size: int
    optimizer: Optimizer
    loss: Loss
    shuffle: bool
    key: int
    first_epoch: int
    limits: tuple[float, float, float]
    classifier: bool
    samples: Samples | None = None
    batches: Iterable[Any] | None = None  # where there are no samples
    validation: Samples | None = None
    places: list[Place] = field(default_factory=list)  # where arrays of samples were when checked
    validation_places: list[Place] = field(default_factory=list)
    split: float = 0.0  # the part of the samples that is kept for validation
    saved: Content | None = None  # the checkpoint to go on from
    dropout: tuple[float, ...] = ()
    smoothing: float = 0.0
    output_weights: list[float] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    callbacks: list[Callback] = field(default_factory=list)
    progress: bool | str | Shown = "auto"
    max_time: float = math.inf
    multilabel: bool = False  # then `classifier` is false
    count_rows: bool = False  # the penalty is that of a sum over rows, batches count by their rows

    def become_multilabel(self) -> None:
        """Take the targets for multilabel ones, of which accuracy is no part of training."""
        self.classifier, self.multilabel = False, True
        check_multilabel(self.metrics)

    def divided(self) -> tuple[Samples | None, Samples | None]:
        """Return the samples to train on and those to validate on."""
        if self.split == 0.0 or self.samples is None:
            return self.samples, self.validation
        parts = split_rows(self.samples, self.split, self.key)
        for part, purpose in zip(parts, ("train on", "validate on"), strict=True):
            if part.weights is not None and not part.weights[part.rows].any():
                raise ValueError(
                    "validation_split: expected a weight above 0 among the rows to "
                    f"{purpose}, found only zeros"
                )
        return parts

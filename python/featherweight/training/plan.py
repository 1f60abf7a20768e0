"""What a training run does."""

import math
from dataclasses import dataclass, field

from .. import _core
from ..losses import Loss
from ..optimizers import Optimizer
from .callbacks import Callback
from .metrics import Metric
from .progress import Shown


@dataclass
class Plan:
    """What a training run does, all of it checked."""

    epochs: int
    batch_size: int
    optimizer: Optimizer
    loss: Loss
    shuffle: bool
    key: int
    first_epoch: int
    limits: tuple[float, float, float]
    classifier: bool
    dropout: tuple[float, ...] = ()
    smoothing: float = 0.0
    output_weights: list[float] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    callbacks: list[Callback] = field(default_factory=list)
    progress: bool | str | Shown = "auto"
    max_time: float = math.inf
    multilabel: bool = False  # then `classifier` is false
    count_rows: bool = False  # the penalty is that of a sum over rows, batches count by their rows

    def trainer(self, core: _core.CoreNetwork, batch: int) -> _core.CoreTrainer:
        """Return a trainer for batches of so many rows, with all that regularises."""
        trainer = _core.CoreTrainer(
            core, self.loss.name, max(1, batch), self.loss.parameter, self.smoothing,
            self.output_weights,
        )  # fmt: skip
        if any(self.dropout):
            trainer.drop(self.dropout, self.key)
        if self.count_rows:
            trainer.count_rows()
        return trainer

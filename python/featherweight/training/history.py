"""What training measured."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..support import checks
from ..support.hints import Strict, named
from ..support.imports import ensure_imported

if TYPE_CHECKING:
    from os import PathLike

_FIELDS = (
    "epoch",
    "loss",
    "accuracy",
    "val_loss",
    "val_accuracy",
    "lr",
    "seconds",
    "images_per_second",
)


class History(Strict):
    """What training measured, one entry per epoch; empty lists for what was not measured.

    Attributes
    ----------
    epoch : list of int
        From 1.
    loss, accuracy : list of float
        Means over the epoch's mini-batches, each taken before its own step; accuracy is empty for
        a regressor and for multilabel targets (where, as a metric by name, it is of rows that are
        right as a whole). Where batches show only in a later epoch that they are multilabel,
        `accuracy` is emptied, and a metric's values before are NaN.
    val_loss, val_accuracy : list of float
        On the validation data after the epoch; without dropout, smoothing or penalty.
    lr : list of float
        The learning rate of the epoch's last step.
    seconds, images_per_second : list of float
        Wall time of the epoch's training, and rows trained on over it.

    A metric's values stand under its name and, for the validation data, ``val_`` and its name; a
    name that is taken is refused.
    ``history["loss"]`` works as well.
    """

    __module__ = "featherweight"

    epoch: list[int]
    loss: list[float]
    accuracy: list[float]
    val_loss: list[float]
    val_accuracy: list[float]
    lr: list[float]
    seconds: list[float]
    images_per_second: list[float]

    def __init__(self) -> None:
        vars(self).update({name: [] for name in _FIELDS})

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all lists, those of metrics last."""
        return tuple(self.__dict__)

    def __getitem__(self, name: str) -> list[Any]:
        found: list[Any] = getattr(self, checks.choice("history", name, self.names))
        return found

    def _extend(self, measured: Mapping[str, list[float]]) -> None:
        """Add what epochs have measured, a value for each; their numbers last of all."""
        for name, values in measured.items():
            self._add(name, values)
        count = len(next(iter(measured.values())))
        self.epoch.extend(range(len(self.epoch) + 1, len(self.epoch) + 1 + count))

    def _add(self, name: str, values: list[float]) -> None:
        self.__dict__.setdefault(name, []).extend(values)

    @named
    def to_dict(self) -> dict[str, list[Any]]:
        """Return the lists by name, copied."""
        return {name: list(self[name]) for name in self.names}

    def _columns(self) -> dict[str, list[Any]]:
        return {name: values for name, values in self.to_dict().items() if values}

    @named
    def to_csv(self, path: "str | PathLike[str]") -> None:
        """Write the lists that aren't empty as columns, a line per epoch; whole or not at all.

        Raises
        ------
        OSError
            If the file can't be written.
        """
        ensure_imported("csv", ".exchange.atomic")
        import csv
        from io import StringIO

        from ..exchange.atomic import replacing

        columns, text = self._columns(), StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        with replacing(path) as f:
            f.write(text.getvalue().encode())

    @named
    def to_pandas(self) -> Any:
        """Return a pandas DataFrame of the lists that aren't empty, indexed by epoch."""
        ensure_imported("pandas")
        from importlib import import_module

        pd = import_module("pandas")
        return pd.DataFrame(self._columns()).set_index("epoch") if self.epoch else pd.DataFrame()

    def __repr__(self) -> str:
        if not self.epoch:
            return "History(no epochs)"
        last = ", ".join(f"{n}={self[n][-1]:.4g}" for n in self.names[1:] if self[n])
        return f"History({checks.counted(len(self.epoch), 'epoch')}; last: {last})"


def is_taken(name: str) -> bool:
    """Whether the history has this name for something else than a metric."""
    return name in _FIELDS or hasattr(History, name)

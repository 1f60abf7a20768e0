"""scikit-learn 1.9's callbacks, told of our epochs; older versions have none."""

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from .. import _core

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing: this scikit-learn has no callbacks."""

    def with_callbacks(method: Any) -> Any:
        """Return the method."""
        return method


if TYPE_CHECKING:
    from ..training.callbacks import TrainingState

__all__ = ["Bridge", "Callbacks", "with_callbacks"]


class Bridge:
    """One of our callbacks, which tells those of scikit-learn: a task for each epoch."""

    def __init__(self, estimator: Any, x: Any, y: Any, weights: Any, epochs: int) -> None:
        metadata = None if weights is None else {"sample_weight": weights}
        self._told = {"estimator": estimator, "X": x, "y": y, "metadata": metadata}
        self._estimator = estimator
        self._root = estimator._init_callback_context(max_subtasks=epochs)
        self._root.call_on_fit_task_begin(**self._told)
        self._task: Any = None

    def _fitted(self) -> dict[str, Any]:
        """What makes a copy of the estimator one whose training ended here."""
        return {"network_": deepcopy(self._estimator.network_)}

    def on_train_begin(self, state: "TrainingState") -> None:
        self._open()

    def on_epoch_end(self, state: "TrainingState") -> bool:
        task, self._task = self._task, None
        stop = task.call_on_fit_task_end(**self._told, reconstruction_attributes=self._fitted)
        if not stop and state.epoch < state.epochs:
            self._open()
        return bool(stop)

    def on_train_end(self, state: "TrainingState") -> None:
        if self._task is not None:  # begun for an epoch that did not come
            self._task.call_on_fit_task_end(estimator=self._estimator)

    def _open(self) -> None:
        self._task = self._root.subcontext(task_name="epoch")
        self._task.call_on_fit_task_begin(**self._told, reconstruction_attributes=self._fitted)

    def close(self) -> None:
        """Tell that all is over."""
        self._root.call_on_fit_task_end(**self._told, reconstruction_attributes=self._fitted)


class Callbacks(CallbackSupportMixin):
    """An estimator that takes scikit-learn's callbacks where there are any."""

    def _bridge(self, x: Any, y: Any, weights: Any, epochs: int) -> Bridge | None:
        if not getattr(self, "_skl_callbacks", None):
            return None
        with _core.CallersEnvironment():
            return Bridge(self, x, y, weights, epochs)

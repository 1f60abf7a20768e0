"""Estimators as safetensors files, which run no code when they are read."""

import json
import os
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import check_is_fitted

from .. import files
from . import _optimizers

if TYPE_CHECKING:
    from os import PathLike

VERSION = 1
# Fitted attributes as JSON has them; those with arrays in them are dealt with by name
_PLAIN = (
    "n_iter_", "t_", "n_outputs_", "n_layers_", "n_features_in_", "out_activation_", "loss_",
    "loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_",
    "_no_improvement_count",
)  # fmt: skip


class Saving:
    """`save` and `load`."""

    network_: Any
    get_params: Any

    def save(self, path: "str | PathLike[str]") -> None:
        """Write the fitted estimator to a safetensors file, whole or not at all.

        Its parameters, its network (which `featherweight.load` reads by itself), classes, curves
        and the optimizer's and the random generator's state. `callbacks` are left out.

        Parameters
        ----------
        path : str or path

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError
            For parameters or classes that aren't plain numbers and strings, such as a schedule.
        OSError
            If the file can't be written.
        """
        check_is_fitted(self, "network_")
        tensors, header = files.describe(self.network_)
        mine = self.__dict__
        settings = {k: v for k, v in self.get_params(deep=False).items() if k != "callbacks"}
        kept: dict[str, Any] = {
            "version": VERSION,
            "class": type(self).__name__,
            "parameters": {k: _plain(k, v) for k, v in settings.items()},
            "fitted": {k: _plain(k, mine[k]) for k in _PLAIN if k in mine},
            "seed": [str(self.network_._key), self.network_._epochs],
        }
        if "feature_names_in_" in mine:
            kept["features"] = [str(n) for n in mine["feature_names_in_"]]
        if "classes_" in mine:
            classes = mine["classes_"]
            kept["classes"] = [_plain("classes_", classes), classes.dtype.str]
            kept["kind"] = mine["_label_binarizer"].y_type_
        if "_random_state" in mine:
            name, keys, *rest = mine["_random_state"].get_state(legacy=True)
            tensors["random.keys"] = keys
            kept["random"] = [name, *rest]
        optimizer = mine.get("_optimizer")
        state = None if optimizer is None else _optimizers.state_of(optimizer, self.network_)
        if optimizer is not None and state is not None:
            tensors["optimizer.slots"] = state["_slots"]
            tensors["optimizer.memo"] = state["_memo"]
            kept["optimizer"] = [state["_steps"], state["_epochs"], optimizer.lr]
        if mine.get("_order") is not None:
            tensors["order"] = mine["_order"]
        header["estimator"] = kept
        files.write(path, tensors, header)

    @classmethod
    def load(cls, path: "str | PathLike[str]", *, threads: int | None = None) -> Self:
        """Read an estimator that `save` wrote; nothing in the file is run.

        Parameters
        ----------
        path : str or path
        threads : int, optional
            Of the network; by default as `featherweight.get_num_threads()` says.

        Raises
        ------
        OSError
            If the file can't be read.
        ValueError
            If it isn't such a file.
        """
        name = os.fspath(path)
        tensors, header = files.read(name)
        kept = header.get("estimator")
        if not isinstance(kept, dict) or kept.get("version") != VERSION:
            raise ValueError(f"{name}: expected a saved {cls.__name__}, found another file")
        if kept["class"] != cls.__name__:
            raise ValueError(f"{name}: expected a saved {cls.__name__}, found {kept['class']}")
        network = files.load(name, threads=threads)
        network._key, network._epochs = int(kept["seed"][0]), kept["seed"][1]
        estimator = cls(**{k: _parameter(v) for k, v in kept["parameters"].items()})
        mine = estimator.__dict__
        mine.update(kept["fitted"], network_=network, _order=tensors.get("order"))
        mine["_split_state"] = None
        if "features" in kept:
            mine["feature_names_in_"] = np.array(kept["features"], dtype=object)
        if "classes" in kept:
            values, dtype = kept["classes"]
            mine["classes_"] = np.array(values, dtype=dtype)
            mine["_label_binarizer"] = _binarizer(mine["classes_"], kept["kind"])
        if "random" in kept:
            random = np.random.RandomState()
            random.set_state((kept["random"][0], tensors["random.keys"], *kept["random"][1:]))
            mine["_random_state"] = random
        if "optimizer" in kept:
            steps, epochs, rate = kept["optimizer"]
            mine["_optimizer"] = optimizer = _optimizers.make(estimator)
            state = {
                "_slots": tensors["optimizer.slots"], "_memo": tensors["optimizer.memo"],
                "_steps": steps, "_epochs": epochs,
            }  # fmt: skip
            _optimizers.restore(optimizer, network, state)
            optimizer.lr = rate
        return estimator


def _plain(name: str, value: Any) -> Any:
    """Return value as JSON has it, or say that it can't be."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    elif isinstance(value, np.generic):
        value = value.item()
    elif isinstance(value, dict):  # whose keys JSON would turn into strings
        value = {"dict": [[_plain(name, k), _plain(name, v)] for k, v in value.items()]}
    elif isinstance(value, tuple):  # and these into lists
        value = {"tuple": [_plain(name, v) for v in value]}
    try:
        json.dumps(value)
    except TypeError:
        raise TypeError(
            f"{name}: expected numbers and strings to save, found {value!r} (pickle keeps it)"
        ) from None
    return value


def _parameter(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(value["dict"]) if "dict" in value else tuple(value["tuple"])
    return value


def _binarizer(classes: Any, kind: str) -> LabelBinarizer:
    if kind.startswith("multilabel"):
        n = len(classes)
        return LabelBinarizer().fit(np.stack([np.zeros(n, int), np.ones(n, int)]))
    return LabelBinarizer().fit(classes)

"""Estimators as safetensors files, which run no code when they are read."""

import os
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..exchange import safetensors as files
from ..network import load
from ..support.checks import counted, whole
from ..support.threads import check_threads
from . import _checks, _optimizers, _records

if TYPE_CHECKING:
    from os import PathLike

VERSION = 1
# What a damaged record may bring about when it is made an estimator of
_DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


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
            For parameters or classes that aren't numbers, strings, a `RandomState` or schedules
            without a function of your own.
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
            "parameters": {k: _records.encoded(k, v) for k, v in settings.items()},
            "fitted": {k: _records.encoded(k, mine[k]) for k in _records.PLAIN if k in mine},
            "seed": [str(self.network_._generator.key), self.network_._generator.epochs],
        }
        if "feature_names_in_" in mine:
            kept["features"] = [str(n) for n in mine["feature_names_in_"]]
        if "classes_" in mine:
            classes, binarizer = mine["classes_"], mine["_label_binarizer"]
            values = _records.encoded("classes_", classes)
            kept["classes"] = [
                values,
                classes.dtype.str,
                binarizer.y_type_,
                binarizer.sparse_input_,
            ]
        if "_random_state" in mine:
            kept["random"] = _records.state_of(mine["_random_state"])
            kept["random_is_given"] = mine["_random_state"] is self.get_params()["random_state"]
        if mine.get("_split_state") is not None:
            kept["split"] = _records.state_of(mine["_split_state"])
        optimizer = _optimizers.of(mine)
        # of no use where the parameters have come to ask for another
        if optimizer and _optimizers.kind(_optimizers.make(self)) == _optimizers.kind(optimizer):
            state = _optimizers.state_of(optimizer, self.network_)
            if state is not None:
                kept["optimizer"], parts = _optimizers.described(optimizer, state)
                tensors |= parts
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
            The parameter `threads`, in place of the one that was saved.

        Returns
        -------
        MLPClassifier or MLPRegressor
            Fitted, as it was.

        Raises
        ------
        OSError
            If the file can't be read.
        TypeError
            If `threads` isn't a whole number.
        ValueError
            If it isn't such a file, or is damaged; if `threads` isn't 1 to 1024.
        """
        name = os.fspath(path)
        if threads is not None:
            check_threads(threads)
        _, tensors, header = files.read(name)
        kept = header.get("estimator")
        if not isinstance(kept, dict):
            raise ValueError(f"{name}: expected a saved {cls.__name__}, found another file")
        if type(kept.get("version")) is not int or kept["version"] != VERSION:  # True is 1
            raise ValueError(
                f"{name}: expected estimators' version {VERSION}, found {kept.get('version')!r}: "
                "a newer featherweight may read it"
            )
        if kept.get("class") != cls.__name__:
            raise ValueError(f"{name}: expected a saved {cls.__name__}, found {kept.get('class')}")
        network = load(name)
        try:
            estimator: Self = _restored(cls, kept, tensors, network, threads)
        except _DAMAGE as e:
            raise ValueError(
                f"{name}: expected a whole record of a {cls.__name__}, found one that is damaged "
                f"({type(e).__name__}: {e})"
            ) from None
        return estimator


def _restored(
    cls: Any, kept: dict[str, Any], tensors: dict[str, Any], network: Any, threads: Any
) -> Any:
    """Return the estimator of a record, whose every part is checked."""
    settings = {k: _records.decoded(v) for k, v in kept["parameters"].items()}
    expected = set(cls().get_params()) - {"callbacks"}
    if set(settings) != expected:
        raise ValueError(f"parameters {sorted(set(settings) ^ expected)}")
    estimator = cls(**settings)
    estimator._validate_params()
    _checks.activations(estimator, len(_checks.hidden_sizes(estimator)))
    if threads is not None:
        estimator.threads = threads
    network.threads = estimator.threads
    key, epochs = kept["seed"]
    network._generator.key = whole("key", int(key), 0, (1 << 64) - 1)
    network._generator.epochs = whole("epochs", epochs, 0, _records.MOST)
    output = network.output
    mine = estimator.__dict__
    mine.update({k: _records.plain(k, v) for k, v in kept["fitted"].items()})
    mine.update(
        network_=network, n_features_in_=network.sizes[0], n_outputs_=network.sizes[-1],
        n_layers_=len(network.sizes), out_activation_=_checks.SKLEARN.get(output, output),
        _order=_records.order(tensors["order"]) if "order" in tensors else None, _split_state=None,
    )  # fmt: skip
    missing = {"n_iter_", "t_", "_no_improvement_count"} - set(kept["fitted"])
    if missing:
        raise ValueError(f"no {sorted(missing)}")
    if "features" in kept:
        names = np.array(kept["features"], dtype=object)
        if names.shape != (network.sizes[0],) or not all(isinstance(n, str) for n in names):
            raise ValueError(f"{counted(names.size, 'name')} of features")
        mine["feature_names_in_"] = names
    if hasattr(estimator, "predict_proba"):
        mine["classes_"], mine["_label_binarizer"] = _records.classes(network, *kept["classes"])
    if "random" in kept:
        given = estimator.random_state if kept["random_is_given"] else None
        same = isinstance(given, np.random.RandomState)
        mine["_random_state"] = given if same else _records.random_state(kept["random"])
    if "split" in kept:
        mine["_split_state"] = _records.random_state(kept["split"]).get_state()
    if "optimizer" in kept:
        optimizer = mine["_optimizer"] = _optimizers.make(estimator)
        _optimizers.put_back(optimizer, network, kept["optimizer"], tensors)
    return estimator

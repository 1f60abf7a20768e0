"""Names that an estimator doesn't have: of arguments of its methods, attributes and parameters."""

import inspect
from typing import TYPE_CHECKING, Any

from ..support.checks import brief
from ..support.hints import named, parameters
from ..support.names import ESTIMATOR_ATTRIBUTES, ESTIMATORS

_FITTED = (
    "network_", "history_", "loss_", "loss_curve_", "best_loss_", "validation_scores_",
    "best_validation_score_", "n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_",
    "n_features_in_", "coefs_", "intercepts_",
)  # fmt: skip
# scikit-learn asks for this in each call; rows without names have none
_OPTIONAL = ("feature_names_in_",)


def _near(name: str, known: Any, cutoff: float) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, list(known), n=1, cutoff=cutoff)), None)


def _ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "featherweight"


def _parameter(name: str, taken: list[str]) -> str | None:
    """Return which parameter, or what else, is meant by a name that is near to one."""
    near = _near(name.lower(), (*taken, *ESTIMATORS), 0.8)
    if near is None or near in taken:
        return near
    row = ESTIMATORS[near]
    return next((word for word in row if word in taken), row[-1])


class Names:
    """An estimator that answers unknown names with the right ones.

    Names that scikit-learn sets, which begin or end in an underscore, are taken, and so are all in
    classes that a user derives.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not (_ours(cls) and "__init__" in cls.__dict__):
            return
        for name in dir(cls):
            found = inspect.getattr_static(cls, name)
            if name.startswith("_"):
                continue
            if inspect.isfunction(found):
                setattr(cls, name, named(found))
            elif isinstance(found, classmethod):
                setattr(cls, name, classmethod(named(found.__func__)))

    if not TYPE_CHECKING:  # a type checker knows the attributes, and would take any then

        def __getattr__(self, name: str) -> Any:
            cls = type(self)
            if not name.startswith("_") and name not in _OPTIONAL and not hasattr(cls, name):
                right = _attribute(self, name)
                if right is not None:
                    raise AttributeError(
                        f"{name}: expected {right}, found no {name!r} in {cls.__name__}"
                    )
            return object.__getattribute__(self, name)  # which raises Python's own sentence

        def __setattr__(self, name: str, value: Any) -> None:
            cls = type(self)
            usual = name.startswith("_") or name.endswith("_") or hasattr(cls, name)
            if not usual and name not in vars(self) and _ours(cls):
                taken = parameters(cls.__init__)
                right = None if name in taken else _parameter(name, taken)
                if right is not None:
                    raise AttributeError(
                        f"{name}: expected {right}, found {name} = {brief(value)}, which "
                        f"{cls.__name__} would not use"
                    )
            super().__setattr__(name, value)

    def set_params(self, **params: Any) -> Any:
        """As scikit-learn's, whose sentence on an unknown name gets the right one."""
        try:
            # BaseEstimator has it, beside which this class is a base
            return super().set_params(**params)  # type: ignore[misc]
        except ValueError as e:
            taken = parameters(type(self).__init__)
            for name in params:
                right = None if name in taken or "__" in name else _parameter(name, taken)
                if right is not None:
                    raise ValueError(f"{name}: expected {right}; {e}") from None
            raise


def _attribute(estimator: Any, name: str) -> str | None:
    """Return what is meant by an attribute that an estimator doesn't have, or None."""
    known = {k for k in dir(type(estimator)) if not k.startswith("_")}
    known |= {*vars(estimator), *_FITTED}
    if "predict_proba" in known:
        known.add("classes_")
    if name in known:  # of a fitted one, and this isn't
        return "fit before it" if "network_" not in vars(estimator) else None
    row = ESTIMATOR_ATTRIBUTES.get(name, ())
    for word in row:
        if word in known:
            return word
    if row:
        return row[-1]
    taken = parameters(type(estimator).__init__)
    words = [word for word in ESTIMATORS.get(name, ()) if word in taken]
    return words[0] if words else _near(name.lower(), known, 0.75)

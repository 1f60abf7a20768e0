"""What Keras, PyTorch and scikit-learn call our losses, activations, metrics and optimizers."""

from collections.abc import Sequence
from typing import Any

# Words in lower case, letters and digits alone, without the "Loss" that PyTorch's classes end in:
# the same here, the nearest, or the middle of a sentence.
_HALF = "featherweight.losses.Quantile(0.5) is half of it, "
_ACTIVATIONS = {
    "swish": "silu",
    "hardswish": "silu",
    "logistic": "sigmoid",
    "expit": "sigmoid",
    "hardsigmoid": "sigmoid",
    "linear": "identity",
    "id": "identity",
    "hardtanh": "tanh",
    "lrelu": "leaky_relu",
    "prelu": "leaky_relu",
    "rectifier": "relu",
    "relu6": "relu",
    "rectifiedlinear": "relu",
    "celu": "elu",
    "selu": "elu",
    "geluexact": "gelu",
    "exponential": "exp",
}
_VALUES: dict[str, dict[str, str]] = {
    "activation": _ACTIVATIONS,
    "output": _ACTIVATIONS | {"logsoftmax": "softmax", "multiclass": "softmax"},
    "loss": {
        "crossentropy": "cross_entropy",
        "categoricalcrossentropy": "cross_entropy",
        "sparsecategoricalcrossentropy": "cross_entropy",
        "logloss": "cross_entropy",
        "nll": "cross_entropy",
        "softmax": "cross_entropy",
        "binarycrossentropy": "binary_cross_entropy",
        "bce": "binary_cross_entropy",
        "bcewithlogits": "binary_cross_entropy",
        "logistic": "binary_cross_entropy",
        "meansquarederror": "mse",
        "squarederror": "mse",
        "squared": "mse",
        "l2": "mse",
        "mae": _HALF,
        "meanabsoluteerror": _HALF,
        "absoluteerror": _HALF,
        "l1": _HALF,
        "smoothl1": "huber",
        "pinball": "quantile",
        "poissonnll": "poisson",
    },
    "metrics": {
        "acc": "accuracy",
        "binaryaccuracy": "accuracy",
        "categoricalaccuracy": "accuracy",
        "sparsecategoricalaccuracy": "accuracy",
        "exactmatch": "subset_accuracy",
        "topkcategoricalaccuracy": "top_5_accuracy",
        "sparsetopkcategoricalaccuracy": "top_5_accuracy",
        "top5": "top_5_accuracy",
        "f1score": "f1",
        "f1macro": "f1",
        "macrof1": "f1",
        "meansquarederror": "mse",
        "negmeansquarederror": "mse",
        "rootmeansquarederror": "rmse",
        "negrootmeansquarederror": "rmse",
        "meanabsoluteerror": "mae",
        "negmeanabsoluteerror": "mae",
        "r2score": "r2",
    },
    "monitor": {
        "valacc": "val_accuracy",
        "acc": "accuracy",
        "validationloss": "val_loss",
        "validloss": "val_loss",
        "trainloss": "loss",
        "valf1score": "val_f1",
        "valr2score": "val_r2",
        "valmeansquarederror": "val_mse",
        "valmeanabsoluteerror": "val_mae",
    },
    "optimizer": {
        "sgd": "SGD",
        "momentum": "SGD",
        "nesterov": "SGD",
        "adam": "Adam",
        "adamax": "Adam",
        "nadam": "Adam",
        "amsgrad": "Adam",
        "adamw": "AdamW",
        "rmsprop": "RMSprop",
        "adagrad": "RMSprop",
        "adadelta": "RMSprop",
        "lbfgs": "LBFGS",
        "bfgs": "LBFGS",
    },
}


def _look_up(words: dict[str, str], value: str) -> str | None:
    word = "".join(c for c in value.lower() if c.isalnum())
    return words.get(word, words.get(word.removesuffix("loss")))


def hint(name: str, value: str, allowed: Sequence[str]) -> str:
    """Return the middle of a sentence that names what was probably meant, or nothing.

    Parameters
    ----------
    name : str
        Of the argument.
    value : str
        What was given.
    allowed : sequence of str
        What may be given.
    """
    words = _VALUES.get(name.partition("[")[0], {})
    meant = _look_up(words, value)
    if meant == _HALF:
        return meant
    near = [] if meant is None or meant not in allowed else [meant]
    if not near:
        from difflib import get_close_matches

        near = get_close_matches(value.lower(), allowed, n=3)
    return f"did you mean {' or '.join(map(repr, near))}? " if near else ""


def hint_of_object(name: str, value: Any, allowed: Sequence[str]) -> str:
    """Return the end of a sentence on a function, a class or an object where a name is expected.

    Parameters
    ----------
    name, allowed
        As of `hint`.
    value : object
        Such as PyTorch's ``torch.tanh`` or ``MSELoss()``, known by its name or its class's.
    """
    found = hint(name, getattr(value, "__name__", type(value).__name__), allowed).strip()
    return f"; {found}" if found.endswith("?") else f"; {found[:-1]}" if found else ""


def optimizer_hint(given: Any) -> str:
    """Return the end of a sentence that names the optimizer probably meant, or nothing.

    Parameters
    ----------
    given : object
        A name, a class, or another library's optimizer.
    """
    word = given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)
    meant = _look_up(_VALUES["optimizer"], word)
    return "" if meant is None else f"; did you mean featherweight.{meant}()?"

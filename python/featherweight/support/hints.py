"""Names that other libraries use, and the sentences that say which name is meant here.

An unknown keyword, an unknown attribute or a misspelt one is answered with the right name. Nothing
of this is consulted before Python itself has refused the name.
"""

import sys
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from .checks import counted

F = TypeVar("F", bound=Callable[..., Any])

_ADAM, _OUTPUTS = "optimizer=fw.Adam(lr=...)", "net(x), which returns the outputs"
_NO_FREEZING = "steps of your own (net.gradients, optimizer.step): fit trains all layers"
_LAYERS = "fw.Network([inputs, ..., outputs])"
_STOPPING = "callbacks=fw.EarlyStopping(...)"
_SIZES = ("sizes", "the sizes as a list: Network([784, 16, 10])")
_STOP = "a callback that returns True to stop"
_WHOLE = "no batch size: any number of rows goes in at once, in blocks"

# Words of Keras, PyTorch and scikit-learn. Of the names here, in their order, the first that the
# function or object has is meant; else the last says what to write.
WORDS: dict[str, tuple[str, ...]] = {
    # building a network
    "MLP": ("Network", _LAYERS),
    "Sequential": ("Network", _LAYERS),
    "Model": ("Network", _LAYERS),
    "Module": ("Network", _LAYERS),
    "NeuralNetwork": ("Network", _LAYERS),
    "Dense": ("Network", _LAYERS),
    "Linear": ("Network", _LAYERS),
    "MLPClassifier": ("featherweight.sklearn.MLPClassifier",),
    "MLPRegressor": ("featherweight.sklearn.MLPRegressor",),
    "hidden_layer_sizes": _SIZES,
    "layers": _SIZES,
    "layer_sizes": _SIZES,
    "hidden_sizes": _SIZES,
    "hidden": _SIZES,
    "units": _SIZES,
    "input_shape": _SIZES,
    "input_dim": _SIZES,
    "input_size": _SIZES,
    "activations": ("activation",),
    "hidden_activation": ("activation",),
    "act": ("activation",),
    "output_activation": ("output",),
    "final_activation": ("output",),
    "seed": ("rng", "Network(rng=...)"),
    "random_state": ("rng", "Network(rng=...)"),
    "random_seed": ("rng", "Network(rng=...)"),
    "generator": ("rng", "Network(rng=...)"),
    "device": ("threads", "nothing: a network runs on CPUs (threads says how many)"),
    "n_jobs": ("threads", "Network(threads=...)"),
    "num_threads": ("threads", "Network(threads=...)"),
    "workers": ("threads", "Network(threads=...)"),
    # training
    "learning_rate": ("lr", _ADAM),
    "learning_rate_init": ("lr", _ADAM),
    "eta": ("lr", _ADAM),
    "lr": ("lr", "learning_rate_init", "current_lr", _ADAM),
    "epochs": ("max_iter",),
    "root": ("path",),
    "axes": ("ax",),
    "axis": ("ax",),
    "y": ("labels",),
    "rng": ("random_state",),
    "opt": ("optimizer",),
    "optim": ("optimizer",),
    "solver": ("optimizer",),
    "criterion": ("loss",),
    "loss_fn": ("loss",),
    "objective": ("loss",),
    "n_epochs": ("epochs",),
    "num_epochs": ("epochs",),
    "nb_epoch": ("epochs",),
    "max_iter": ("epochs",),
    "max_epochs": ("epochs",),
    "n_iter": ("epochs",),
    "bs": ("batch_size",),
    "batch": ("batch_size",),
    "minibatch_size": ("batch_size",),
    "batch_size": ("batch_size", _WHOLE),
    "verbose": ("progress", "nothing: this prints nothing"),
    "validation": ("validation_data",),
    "val_data": ("validation_data",),
    "eval_set": ("validation_data",),
    "validation_fraction": ("validation_split",),
    "val_split": ("validation_split",),
    "sample_weights": ("sample_weight",),
    "class_weights": ("class_weight",),
    "weight": ("class_weight", "sample_weight", "weights"),
    "early_stopping": (_STOPPING,),
    "n_iter_no_change": ("patience", _STOPPING),
    "tol": ("min_delta", "tolerance_change", _STOPPING),
    "patience": (_STOPPING,),
    "alpha": ("l2", "weight_decay", "l2=... in fit"),
    "regularization": ("l2", "l2=... in fit"),
    "kernel_regularizer": ("l2", "l2=... in fit"),
    "weight_decay": ("l2", "optimizer=fw.AdamW(weight_decay=...)"),
    "wd": ("weight_decay", "l2", "optimizer=fw.AdamW(weight_decay=...)"),
    "clipnorm": ("clip_norm", "clip_norm=... in fit"),
    "global_clipnorm": ("clip_norm", "clip_norm=... in fit"),
    "gradient_clip_val": ("clip_norm", "clip_norm=... in fit"),
    "max_norm": ("clip_norm", "clip_norm=... in fit"),
    "clipvalue": ("clip_value", "clip_value=... in fit"),
    "momentum": ("optimizer=fw.SGD(momentum=...)",),
    "nesterovs_momentum": ("nesterov", "optimizer=fw.SGD(nesterov=True, momentum=...)"),
    "beta_1": ("betas", "optimizer=fw.Adam(betas=(...))"),
    "beta_2": ("betas", "optimizer=fw.Adam(betas=(...))"),
    "beta1": ("betas", "optimizer=fw.Adam(betas=(...))"),
    "beta2": ("betas", "optimizer=fw.Adam(betas=(...))"),
    "rho": ("alpha", "optimizer=fw.RMSprop(alpha=...)"),
    "epsilon": ("eps", "optimizer=fw.Adam(eps=...)"),
    "decay": ("schedule", "weight_decay"),
    "scheduler": ("schedule", "optimizer=fw.Adam(schedule=...)"),
    "lr_scheduler": ("schedule", "optimizer=fw.Adam(schedule=...)"),
    "lr_schedule": ("schedule", "optimizer=fw.Adam(schedule=...)"),
    "dropout_rate": ("dropout", "dropout=... in fit"),
    "steps_per_epoch": ("an iterable of batches as x",),
    "initial_epoch": ("resume",),
    "timeout": ("max_time",),
    # what schedules and callbacks are called with
    "params": ("no parameters: fit gives the optimizer its network",),
    "parameters": ("no parameters: fit gives the optimizer its network",),
    "optimizer": ("a schedule without one: fw.Adam(schedule=...)",),
    "decay_rate": ("gamma",),
    "decay_steps": ("total_iters", "step_size", "T_max"),
    "restore_best_weights": ("restore_best",),
    "delta": ("min_delta",),
    "threshold": ("min_delta",),
    "filepath": ("path",),
    "filename": ("path",),
    "fname": ("path",),
    "save_freq": ("every",),
    "period": ("every",),
    "every_n_epochs": ("every",),
    "save_best_only": ("restore_best", "fw.EarlyStopping(restore_best=True)"),
    "map_location": ("nothing: a network runs on CPUs",),
    # using a network
    "X": ("x",),
    "inputs": ("x",),
    "input": ("x",),
    "features": ("x",),
    "labels": ("y",),
    "targets": ("y",),
    "target": ("y",),
    "y_true": ("y",),
    "predict_proba": (_OUTPUTS,),
    "predict_log_proba": ("np.log(net(x))",),
    "predict_classes": ("predict",),
    "predict_on_batch": (_OUTPUTS,),
    "decision_function": (_OUTPUTS,),
    "forward": (_OUTPUTS,),
    "call": (_OUTPUTS,),
    "transform": ("activations",),
    "get_weights": ("weights",),
    "set_weights": ("weights", "net.weights[i] = ..."),
    "coefs_": ("weights",),
    "intercepts_": ("biases",),
    "bias": ("biases",),
    "state_dict": ("parameters, weights and biases, or save(path)",),
    "load_state_dict": ("fw.load(path), or net.parameters[:] = ...",),
    "named_parameters": ("weights", "parameters"),
    "num_params": ("parameter_count",),
    "count_params": ("parameter_count",),
    "classes_": ("featherweight.sklearn.MLPClassifier, which has them",),
    "load": ("load", "fw.load(path)"),
    "load_model": ("load", "fw.load(path)"),
    "load_weights": ("load", "fw.load(path)"),
    "save_model": ("save", "net.save(path)"),
    "save_weights": ("save", "net.save(path)"),
    "copy": ("copy.deepcopy(net)",),
    "clone": ("copy.deepcopy(net)",),
    "train": ("fit", "net.fit(x, y)"),
    "train_on_batch": ("partial_fit", "net.partial_fit(x, y)"),
    "fit_generator": ("fit", "net.fit(batches)"),
    "compile": ("fit, which takes optimizer, loss and metrics",),
    "eval": ("evaluate", "net(x), for which there is no mode"),
    "test": ("evaluate",),
    "zero_grad": ("nothing: gradients are returned anew by net.gradients",),
    "grad": ("gradients",),
    "to": ("nothing: a network runs on CPUs (dtype is given to Network)",),
    "cuda": ("nothing: a network runs on CPUs",),
    "cpu": ("nothing: a network runs on CPUs",),
    "trainable": (_NO_FREEZING,),
    "requires_grad": (_NO_FREEZING,),
    "freeze": (_NO_FREEZING,),
    "stop_training": (_STOP,),
    "should_stop": (_STOP,),
    "loss_curve_": ("net.history.loss",),
    "param_groups": ("lr and the other settings, which may be set",),
    # of what training returns
    "history": ('to_dict(), or history["loss"]',),
    "DataFrame": ("to_pandas",),
    "acc": ("accuracy",),
    "val_acc": ("val_accuracy",),
    # of the module
    "optimizers": ("Adam, SGD, AdamW, RMSprop or LBFGS of the package itself",),
    "lr_schedulers": ("schedules",),
    "ModelCheckpoint": ("Checkpoint",),
    "ReduceLROnPlateau": ("fw.Adam(schedule=fw.schedules.ReduceLROnPlateau(...))",),
    "LearningRateScheduler": ("fw.Adam(schedule=...)",),
    "nn": ("Network",),
    "callbacks": ("EarlyStopping and Checkpoint of the package itself",),
    "datasets": ("data",),
    "mnist": ("data", "fw.data.mnist()"),
    "set_threads": ("set_num_threads",),
}
_package: Any = None  # whose functions these are


def set_package(package: object) -> None:
    """Give the package, whose functions sentences name: it imports this module, not the reverse."""
    global _package
    _package = package


# our own functions, one of which may take what another was given
_HOMES = ("Network", "Network.fit", "Adam", "SGD", "RMSprop", "EarlyStopping")


def _near(name: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches

    found = get_close_matches(name.lower(), list(known), n=1, cutoff=0.75)
    return found[0] if found else None


def right_name(name: str, known: Iterable[str], form: str = "{}") -> str | None:
    """Return what is to be written for a name that isn't among those known, or None."""
    own = [k for k in known if not k.startswith("_")]
    for word in WORDS.get(name, ()):
        if word in own and word != name:
            return form.format(word)
    near = _near(name, own)
    if near is not None:
        return form.format(near)
    words = WORDS.get(name, ())
    # a plain name is one that the object would have to have
    return words[-1] if words and not words[-1].isidentifier() else None


def _shown(value: object) -> str:
    from reprlib import repr as short

    return " ".join(short(value).split())


def parameters(function: Any) -> list[str]:
    """Return the names that a Python function takes, but self and **options."""
    function = getattr(function, "__wrapped__", function)
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return [n for n in names if n != "self"]


def _home(name: str) -> str | None:
    """Return which of our functions takes a keyword."""
    for home in _HOMES:
        found = _package
        for part in home.split("."):
            found = getattr(found, part)
        if isinstance(found, type):
            # of a class the constructor, which mypy takes for another object's
            found = found.__init__  # type: ignore[misc]
        if name in parameters(found):
            return f"{home}({name}=...)"
    return None


def check_keywords(known: list[str], where: str, given: dict[str, Any]) -> None:
    """Refuse a keyword that isn't among those known, with the name that is meant."""
    for name, value in given.items():
        if name not in known:
            right = right_name(name, known, "{}=...") or _home(name)
            few = f"{known[0]}=..." if known else "no arguments"
            right = right or (f"one of {', '.join(known)}" if len(known) > 1 else few)
            raise TypeError(f"{name}: expected {right}, found {name}={_shown(value)} in {where}")


def _explain(
    function: Any, where: str, args: tuple[Any, ...], given: dict[str, Any]
) -> TypeError | None:
    """Return the sentence on arguments that a function doesn't take, if we have a better one."""
    known, code = parameters(function), function.__code__
    if not code.co_flags & 0x08:  # **options
        try:
            check_keywords(known, where, given)
        except TypeError as e:
            return e
    places = code.co_varnames[: code.co_argcount]
    if len(args) > len(places) and not code.co_flags & 0x04:  # *args
        taken = [p for p in places if p != "self"]
        named = [n for n in known if n not in taken]
        more = f", and by name {', '.join(named)}" if named else ""
        found = len(args) - ("self" in places)
        return TypeError(
            f"{where}: expected at most {counted(len(taken), 'argument')} without names "
            f"({', '.join(taken)}){more}; found {found}"
        )
    return None


def named(function: F) -> F:
    """Have a function answer arguments that it doesn't take with the right name.

    What it is called in messages is the public name: its signature and all else stay as they are.
    """
    if function.__qualname__.startswith("Model."):
        function.__qualname__ = "Network." + function.__qualname__.removeprefix("Model.")
        function.__module__ = "featherweight.network"
    where = function.__qualname__.removesuffix(".__init__")

    @wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        try:
            return function(*args, **given)
        except TypeError as e:
            # raised as it was called, and not inside
            if e.__traceback__ is None or e.__traceback__.tb_next is not None:
                raise
            name = type(args[0]).__name__ if where != function.__qualname__ and args else where
            better = _explain(function, name, args, given)
            if better is None:
                raise
        raise better from None

    return call  # type: ignore[return-value]  # of the same signature, by wraps


def attribute_error(owner: str, name: str, known: Iterable[str]) -> AttributeError | None:
    """Return the sentence on an attribute that there isn't, if another is meant."""
    right = None if name.startswith("_") else right_name(name, known)
    if right is None:
        return None
    return AttributeError(f"{name}: expected {right}, found no {name!r} in {owner}")


def module_attribute(module: str, name: str) -> AttributeError:
    """Return the sentence on a name that a module of ours doesn't have."""
    found = attribute_error(module, name, dir(sys.modules[module]))
    return found or AttributeError(f"module {module!r} has no attribute {name!r}")


_settable: dict[type, frozenset[str]] = {}  # of our own classes


def _names(cls: type) -> frozenset[str]:
    """Return the names of the attributes that objects of a class may have."""
    if cls not in _settable:
        own = set(dir(cls))
        for base in cls.__mro__:
            made = base.__dict__.get("__init__")
            if hasattr(made, "__code__"):
                own.update(parameters(made))
        _settable[cls] = frozenset(own)
    return _settable[cls]


class Strict:
    """A class whose objects have no attributes but those that mean something.

    Others are refused, whether read or set; of a class that a user derives, only when read.
    """

    __slots__ = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        made = cls.__dict__.get("__init__")
        if made is not None and cls.__module__.partition(".")[0] == "featherweight":
            # the same method, with a better sentence for unknown keywords
            cls.__init__ = named(made)  # type: ignore[method-assign]

    if not TYPE_CHECKING:  # a type checker knows the attributes, and would take any then

        def __getattr__(self, name: str) -> Any:
            cls = type(self)
            if not name.startswith("_") and not hasattr(cls, name):
                found = attribute_error(cls.__name__, name, (*dir(cls), *vars(self)))
                if found is not None:
                    raise found
            return object.__getattribute__(self, name)  # which raises Python's own sentence

        def __setattr__(self, name: str, value: Any) -> None:
            cls = type(self)
            if not name.startswith("_") and cls.__module__.partition(".")[0] == "featherweight":
                known = _names(cls)
                if name not in known:
                    right = right_name(name, known)
                    right = right or f"one that {cls.__name__} has"
                    raise AttributeError(
                        f"{name}: expected {right}, found {name} = {_shown(value)}, which "
                        f"{cls.__name__} would not use"
                    )
            super().__setattr__(name, value)

"""What the two classes' docstrings say alike: of the parameters, by name."""

from inspect import signature
from typing import Any

PARAMETERS = {
    "hidden_layer_sizes": """int or array-like of int, default=(100,)
        Neurons of each hidden layer, at least 1; one number is one layer, () none.""",
    "activation": """str or sequence of str, default="relu"
        Of all hidden layers, or one for each: ``identity``, ``logistic``, ``tanh``, ``relu`` and
        all others of `featherweight.Network`.""",
    "solver": """{"adam", "sgd", "lbfgs"}, default="adam"
        Adam (Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015), stochastic
        gradient descent, or L-BFGS by SciPy, on all rows at once.""",
    "alpha": """float, default=0.0001
        Strength of the L2 penalty, at least 0: half of it times the sum of the squared weights (not
        the biases), over the rows of a batch, is added to the loss.""",
    "batch_size": """int or "auto", default="auto"
        Rows of a batch, of which the last may have fewer; "auto" is ``min(200, n_samples)``. Not
        for lbfgs.""",
    "learning_rate": """{"constant", "invscaling", "adaptive"}, default="constant"
        How sgd changes its rate: not at all; to ``learning_rate_init / (t_ + 1) ** power_t`` after
        each epoch; or to a fifth whenever training would have ended for want of improvement, which
        it does only at a rate of 1e-6 or less.""",
    "learning_rate_init": """float, default=0.001
        The first learning rate, above 0, of sgd and adam.""",
    "power_t": """float, default=0.5
        The exponent of ``invscaling``, at least 0.""",
    "max_iter": """int, default=200
        Epochs at most, at least 1; with lbfgs, iterations.""",
    "shuffle": """bool, default=True
        Whether each epoch has the rows in another order; with sgd and adam.""",
    "random_state": """int, RandomState or None, default=None
        What the initial weights, the rows held out and the order of rows depend on. An int gives
        the same each time.""",
    "tol": """float, default=0.0001
        What an improvement of the loss, or with `early_stopping` of the score, must exceed, at
        least 0; with lbfgs the largest element of the gradient at which it ends.""",
    "verbose": """bool, default=False
        Whether to print each epoch's loss and score, and why training ends.""",
    "warm_start": """bool, default=False
        Whether `fit` goes on from where its last call ended, with the optimizer's state and the
        order of rows that comes next, or begins anew.""",
    "momentum": """float, default=0.9
        Of sgd, in [0, 1].""",
    "nesterovs_momentum": """bool, default=True
        Whether that is Nesterov's.""",
    "early_stopping": """bool, default=False
        Whether to hold out a part of the rows, to end when their score (accuracy or R2) gets no
        better, and to keep the weights that had the best; with sgd and adam.""",
    "validation_fraction": """float, default=0.1
        That part, in [0, 1).""",
    "beta_1": """float, default=0.9
        How fast adam's mean of the gradients decays, in [0, 1).""",
    "beta_2": """float, default=0.999
        How fast adam's mean of their squares decays, in [0, 1).""",
    "epsilon": """float, default=1e-8
        Added to the root of that mean, above 0.""",
    "n_iter_no_change": """int or inf, default=10
        Epochs without an improvement that are borne, at least 1; with sgd and adam.""",
    "max_fun": """int, default=15000
        How often lbfgs may compute the loss, at least 1.""",
    "class_weight": """dict, list of dict, "balanced" or None, default=None
        What rows of each class count, times `sample_weight`; a list has a dict for each label.
        "balanced" gives all classes the same sum of weights.""",
    "dropout": """float or sequence of float, default=0.0
        In [0, 1): the rate at which hidden neurons are dropped, of all hidden layers or each
        (Srivastava et al., JMLR 15, 2014); with sgd and adam.""",
    "input_dropout": """float, default=0.0
        The same for the inputs.""",
    "weight_decay": """float, default=0.0
        At least 0, decoupled from the gradient (Loshchilov and Hutter, "Decoupled weight decay
        regularization", ICLR 2019); with adam.""",
    "schedule": """featherweight.schedules.Schedule, callable or None, default=None
        Of the learning rate, in place of `learning_rate`: a callable takes the epoch, from 0, and
        returns a factor. With sgd and adam.""",
    "callbacks": """callable, object or sequence of these, default=()
        featherweight's, as in `Network.fit`. scikit-learn's go to `set_callbacks`.""",
    "progress": """bool, "auto" or "lines", default=False
        Whether to show a bar; "auto" when a person is watching; "lines" is a line for each
        epoch.""",
    "max_time": """float or None, default=None
        Seconds, above 0, after which training ends, in the course of an epoch; with lbfgs after
        the iteration that is under way.""",
    "threads": """int or None, default=None
        1 to 1024; None is `featherweight.get_num_threads()`. No result depends on it.""",
}
_ATTRIBUTES = """network_ : featherweight.Network
        What was trained. All other attributes are scikit-learn's, and `history_`.
    history_ : featherweight.History
        What the last call of `fit` or `partial_fit` measured."""


def documented(**own: str) -> Any:
    """Return a decorator that fills in a docstring's parameters, in the signature's order."""

    def fill(cls: Any) -> Any:
        texts = PARAMETERS | own
        names = list(signature(cls.__init__).parameters)[1:]
        listed = "\n    ".join(f"{name} : {texts[name]}" for name in names)
        if cls.__doc__:  # not so with python -OO
            cls.__doc__ = cls.__doc__.format(parameters=listed, attributes=_ATTRIBUTES)
        return cls

    return fill

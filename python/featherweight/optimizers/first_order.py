"""The optimizers whose steps are compiled: each by one mini-batch's gradient."""

from .base import Kernel, Optimizer, ScheduleLike


class SGD(Optimizer):
    """Stochastic gradient descent, with PyTorch's names and formulas.

    Parameters
    ----------
    lr : float
        Learning rate, at least 0.
    momentum : float
        In [0, 1). The velocity is ``v = momentum * v + g`` and begins as 0 (Sutskever et al., "On
        the importance of initialization and momentum in deep learning", ICML 2013).
    nesterov : bool
        Step along ``g + momentum * v`` instead of ``v``; needs a momentum above 0.
    weight_decay : float
        Adds ``weight_decay`` times the parameter to its gradient, at least 0.
    schedule : Schedule or callable, optional
        Of `featherweight.schedules`, or a factor as a function of the epoch, from 0.

    Raises
    ------
    TypeError, ValueError
        If a setting isn't a number, or is out of its range, NaN or infinite.
    """

    __module__ = "featherweight.optimizers"

    momentum: float
    nesterov: bool
    weight_decay: float

    def __init__(
        self,
        lr: float = 1e-3,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        *,
        schedule: ScheduleLike = None,
    ) -> None:
        self._set(
            lr=lr,
            schedule=schedule,
            momentum=momentum,
            nesterov=nesterov,
            weight_decay=weight_decay,
        )
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("nesterov: expected a momentum above 0 with it, found momentum=0.0")

    def _kernel(self) -> Kernel:
        hyper = {
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "momentum": self.momentum,
        }
        if self.momentum == 0.0:
            return "sgd", hyper
        return ("nesterov" if self.nesterov else "momentum"), hyper


class Adam(Optimizer):
    """Adam (Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015).

    Parameters
    ----------
    lr : float
        Learning rate, at least 0.
    betas : tuple of two floats
        Decay of the running means of the gradient and of its square, each in [0, 1).
    eps : float
        Added to the root of the second mean, above 0.
    weight_decay : float
        Adds ``weight_decay`` times the parameter to its gradient, at least 0.
    schedule : Schedule or callable, optional
        Of `featherweight.schedules`, or a factor as a function of the epoch, from 0.

    Raises
    ------
    TypeError, ValueError
        If a setting isn't a number, or is out of its range, NaN or infinite.
    """

    __module__ = "featherweight.optimizers"

    betas: tuple[float, float]
    eps: float
    weight_decay: float

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        schedule: ScheduleLike = None,
    ) -> None:
        self._set(lr=lr, schedule=schedule, betas=betas, eps=eps, weight_decay=weight_decay)

    _name = "adam"

    def _kernel(self) -> Kernel:
        return self._name, {
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "beta1": self.betas[0],
            "beta2": self.betas[1],
            "eps": self.eps,
        }


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019), with PyTorch's names.

    Parameters
    ----------
    lr, betas, eps, schedule
        As of `Adam`.
    weight_decay : float
        Each step multiplies the parameters by ``1 - lr * weight_decay``, whatever the gradient; at
        least 0.

    Raises
    ------
    TypeError, ValueError
        If a setting isn't a number, or is out of its range, NaN or infinite.
    """

    __module__ = "featherweight.optimizers"

    _name = "adamw"

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        schedule: ScheduleLike = None,
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay, schedule=schedule)


class RMSprop(Optimizer):
    """RMSprop (Hinton, "Neural networks for machine learning", lecture 6e, 2012), as in PyTorch.

    Parameters
    ----------
    lr : float
        Learning rate, at least 0.
    alpha : float
        Decay of the running mean of the gradient's square, in [0, 1).
    eps : float
        Added to the root of that mean, above 0.
    weight_decay : float
        Adds ``weight_decay`` times the parameter to its gradient, at least 0.
    momentum : float
        In [0, 1): of the steps, as in `SGD`.
    centered : bool
        Divide by the root of the variance instead, the mean of the gradient being kept too (Graves,
        "Generating sequences with recurrent neural networks", 2013). A variance below 0 by rounding
        counts as 0.
    schedule : Schedule or callable, optional
        As of `SGD`.

    Raises
    ------
    TypeError, ValueError
        If a setting isn't a number, or is out of its range, NaN or infinite.
    """

    __module__ = "featherweight.optimizers"

    alpha: float
    eps: float
    weight_decay: float
    momentum: float
    centered: bool

    def __init__(
        self,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        schedule: ScheduleLike = None,
    ) -> None:
        self._set(
            lr=lr,
            schedule=schedule,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
        )

    def _kernel(self) -> Kernel:
        name = "rmsprop" + "_centered" * self.centered + "_momentum" * (self.momentum > 0)
        return name, {
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "momentum": self.momentum,
            "alpha": self.alpha,
            "eps": self.eps,
        }

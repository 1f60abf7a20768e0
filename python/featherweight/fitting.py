"""`Network.fit` and its kin: what the arguments mean, checked before anything is changed."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core, checks, losses, metrics
from .callbacks import check_callbacks
from .gradients import check_limits
from .learning import Learning
from .optimizers import Adam, Optimizer
from .training import Job, Plan, Run

if TYPE_CHECKING:
    from os import PathLike

    from .history import History


class Fitting(Learning):
    """The part of `Network` that trains; a base class only so that files stay short."""

    def fit(
        self,
        x: ArrayLike | Iterable[Any],
        y: ArrayLike | None = None,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        optimizer: Optimizer | None = None,
        loss: Any = None,
        shuffle: bool = True,
        rng: Any = None,
        rows: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: dict[int, float] | str | None = None,
        output_weights: Sequence[float] | None = None,
        validation_data: tuple[Any, ...] | None = None,
        validation_split: float = 0.0,
        l2: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        dropout: float | Sequence[float] = 0.0,
        input_dropout: float = 0.0,
        label_smoothing: float = 0.0,
        metrics: Any = (),
        callbacks: Any = (),
        progress: bool | Literal["auto"] = "auto",
        max_time: float | None = None,
        resume: "str | PathLike[str] | None" = None,
    ) -> "History":
        """Train by mini-batches.

        Parameters
        ----------
        x : (rows, inputs) array, or iterable of batches
            Read in place as in a call, rows gathered by index, never copied as a whole: a
            ``np.memmap`` of any type of numbers may be larger than memory. An iterable gives
            ``(x, y)`` or ``(x, y, sample_weight)``, each of which is one step, and is run through
            once per epoch; `y`, `batch_size`, `shuffle` and what concerns rows are not used then.
        y : (rows,) or (rows, outputs) array
            Class labels from 0 (one-hot encoded), or targets; (rows,) values for a single output.
            Of a sigmoid output, rows of 0 and 1 may have any number of ones (multilabel).
        epochs, batch_size : int
            At least 0 and 1. The last batch of an epoch may be shorter.
        optimizer : SGD, Adam, AdamW, RMSprop or LBFGS, optional
            Adam() by default. It keeps its state for the next call with this network.
        loss : str or Loss, optional
            ``cross_entropy`` (default for, and only with, softmax; the mean over rows),
            ``binary_cross_entropy`` (likewise, sigmoid), ``poisson`` (likewise, exp), ``mse``,
            ``huber`` (or `losses.Huber`), ``quantile`` (or `losses.Quantile`): means over all
            elements.
        shuffle : bool
            Take the rows in a new random order each epoch.
        rng : as in `Network`, optional
            Orders the rows and draws what is dropped; by default the network's own generator goes
            on.
        rows : (n,) array of int, optional
            The rows of x to train on, in this order, such as those of a fold; trained on as
            ``x[rows]`` would be, without a copy.
        sample_weight : (rows,) array, optional
            Of all rows of x, at least 0: a batch's loss is the weighted mean of its rows'.
            Accuracy counts rows.
        class_weight : dict or "balanced", optional
            What rows of each class count, those not named 1; "balanced" makes all classes count the
            same, ``rows / (classes * rows of the class)``. Multiplies `sample_weight`.
        output_weights : (outputs,) sequence, optional
            What each output's part of the loss counts, at least 0; not with cross_entropy.
        validation_data : (x, y) or (x, y, sample_weight), optional
            Evaluated after each epoch, without dropout, smoothing and `l2`.
        validation_split : float
            In [0, 1): the part of the rows kept for validation instead, drawn at random, of each
            class as nearly the same part as can be.
        l2 : float
            Adds ``l2 / 2`` times the sum of the squares of the weights (not the biases) to the loss
            that is minimised and recorded; at least 0.
        clip_value, clip_norm : float, optional
            Above 0. The largest absolute element, and then the largest Euclidean norm of the whole,
            that a step's gradient (with `l2`, without an optimizer's weight decay) may have; beyond
            it, elements are cut off, or all scaled by ``clip_norm / (norm + 1e-6)``, as in PyTorch.
        dropout : float or sequence of float
            In [0, 1): the rate at which hidden neurons, of all hidden layers or one rate for each,
            are set to 0 in training, the rest being multiplied by ``1 / (1 - rate)`` (Srivastava et
            al., "Dropout", JMLR 15, 2014).
        input_dropout : float
            The same for the inputs.
        label_smoothing : float
            In [0, 1): targets t become ``(1 - s) t + s / outputs`` for cross_entropy (Szegedy et
            al., CVPR 2016), ``(1 - s) t + s / 2`` for binary_cross_entropy.
        metrics : str, callable, `Metric` or sequence of these
            ``accuracy``, ``top_5_accuracy``, ``f1`` (macro), ``subset_accuracy``, ``mse``,
            ``rmse``, ``mae``, ``r2``, or ``function(y, net.predict(x))``; taken after each epoch of
            the rows trained on and of the validation data, which costs a forward pass each.
        callbacks : callable, object or sequence of these
            An object with any of ``on_train_begin``, ``on_epoch_begin``, ``on_batch_begin``,
            ``on_batch_end``, ``on_epoch_end``, ``on_train_end``, or a callable for the end of an
            epoch; each gets a `TrainingState`, and a true return stops. Without those for batches
            an epoch is one call of compiled code.
        progress : bool or "auto"
            A bar; "auto" when a person is watching.
        max_time : float, optional
            Seconds after which training ends with the step in hand, above 0.
        resume : path, optional
            A file of `Checkpoint`'s: go on from there, to the bit as if nothing had happened, until
            `epochs` in all; from the beginning if there is no such file yet.

        Returns
        -------
        History

        Raises
        ------
        TypeError, ValueError
            For wrong arguments, before anything is changed.
        RuntimeError
            If the network is being trained already.
        FloatingPointError
            If the loss or a weight becomes NaN or infinite. The network holds the weights of the
            last epoch before; the optimizer's state is dropped.
        KeyboardInterrupt
            On Ctrl-C, with the weights of the last completed step. `history` has the epochs before.
        """
        if optimizer is not None and not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"optimizer: expected SGD, Adam, AdamW, RMSprop, LBFGS or None, found {optimizer!r}"
            )
        if not (progress is True or progress is False or progress == "auto"):
            raise ValueError(f"progress: expected True, False or 'auto', found {progress!r}")
        found = losses.resolve(loss, self._output)
        key = self._key if rng is None else checks.key(rng)
        if resume is not None and rng is None:
            from .checkpoint import key_in

            before = key_in(resume)
            key = key if before is None else before
        plan = Plan(
            epochs=checks.whole("epochs", epochs, 0),
            batch_size=checks.whole("batch_size", batch_size, 1),
            optimizer=Adam() if optimizer is None else optimizer,
            loss=found,
            shuffle=bool(shuffle),
            key=key,
            first_epoch=self._epochs if rng is None else 0,
            limits=check_limits(clip_value, clip_norm, l2),
            classifier=checks.output_kind(self._output) == "classifier",
            dropout=self._dropout(dropout, input_dropout),
            smoothing=losses.check_smoothing(label_smoothing, found),
            output_weights=_output_weights(output_weights, self._sizes[-1], found.name),
            metrics=_metrics(metrics),
            callbacks=check_callbacks(callbacks),
            progress=progress,
            max_time=math.inf
            if max_time is None
            else checks.number("max_time", max_time, 0.0, math.inf, open_low=True),
        )
        job, batches = None, None
        if y is None and not isinstance(x, np.ndarray):
            batches = self._check_batches(x, plan.epochs)
            given = {"sample_weight": sample_weight, "class_weight": class_weight, "rows": rows}
            for name, value in given.items():
                if value is not None:
                    raise ValueError(f"{name}: expected None with an iterable of batches")
        elif y is None:
            raise TypeError("y: expected targets, found None")
        else:
            # an iterable without targets has been dealt with above
            job = self._job(cast("ArrayLike", x), y, sample_weight, found.name)
            if rows is not None:
                job = job._replace(rows=_rows(rows, job.n))
            if job.n == 0:
                raise ValueError("x: expected at least one row to train on, found none")
            if class_weight is not None:
                if not plan.classifier:
                    raise ValueError(
                        "class_weight: expected a softmax or sigmoid output with it, "
                        f"found {self._output!r}"
                    )
                job = _class_weighted(job, class_weight, self._sizes[-1], self._dtype)
            plan.classifier &= not _multilabel(job)
        validation = self._validation(validation_data, found.name)
        split = checks.number("validation_split", validation_split, 0.0, 1.0)
        if split > 0:
            if job is None or validation is not None:
                raise ValueError(
                    "validation_split: expected arrays to split and no validation_data with it"
                )
            job, validation = split_rows(job, split, plan.key)
        return self._run(Run(self._network, job, batches, validation, plan), rng, resume)

    def _run(self, run: Run, rng: Any, resume: "str | PathLike[str] | None") -> "History":
        self._core.begin_fit()
        try:
            run.ready()
            if resume is not None:
                from .checkpoint import restore

                restore(run, resume, rng)
            self._history = run.history
            return run.plan.optimizer._fit(run)
        finally:
            self._core.end_fit()
            if rng is None:  # the generator goes on, whatever ended training
                self._epochs = run.plan.first_epoch + max(len(run.history.epoch), run.begun)

    def partial_fit(self, x: ArrayLike, y: ArrayLike, **options: Any) -> "History":
        """Train on some more data: `fit` for one epoch, state kept from one call to the next.

        Takes what `fit` takes but `epochs`, `validation_split` and `resume`. Without an optimizer
        the network keeps an `Adam` of its own for these calls; without `rng` each call's order of
        rows is a new one.

        Returns
        -------
        History
        """
        for name in ("epochs", "validation_split", "resume"):
            if name in options:
                raise TypeError(f"{name}: expected none in partial_fit, which is one epoch")
        if options.get("optimizer") is None:
            if self._partial is None:
                self._partial = Adam()
            options["optimizer"] = self._partial
        return self.fit(x, y, epochs=1, **({"progress": False} | options))

    # The arguments

    def _check_batches(self, batches: Any, epochs: int) -> Iterable[Any]:
        if not isinstance(batches, Iterable):
            raise TypeError("y: expected targets, found None")
        if epochs > 1 and iter(batches) is batches:
            raise ValueError(
                f"x: expected, for {epochs} epochs, an iterable that can be run through anew, "
                "found an iterator"
            )
        return batches

    def _validation(self, given: Any, loss: str) -> Job | None:
        if given is None:
            return None
        if not isinstance(given, (tuple, list)) or not 2 <= len(given) <= 3:
            raise TypeError("validation_data: expected (x, y) or (x, y, sample_weight)")
        weights = given[2] if len(given) == 3 else None
        job = self._job(given[0], given[1], weights, loss, what="validation y")
        if job.n == 0:
            raise ValueError("validation_data: expected at least one row, found none")
        return job


def _metrics(given: Any) -> list[metrics.Metric]:
    return metrics.check(given)


def _rows(given: ArrayLike, n: int) -> NDArray[np.int64]:
    a = np.asarray(given)
    if a.ndim != 1 or (a.dtype.kind not in "iu" and a.size):
        raise ValueError(
            f"rows: expected shape (n,) of whole numbers, found {a.shape} of {a.dtype}"
        )
    if a.size and not (a.min() >= 0 and a.max() < n):
        found = a.min() if a.min() < 0 else a.max()
        raise ValueError(f"rows: expected row numbers from 0 to {n - 1}, found {found}")
    return np.ascontiguousarray(a, np.int64)


def _output_weights(given: Sequence[float] | None, outputs: int, loss: str) -> list[float]:
    if given is None:
        return []
    if loss == "cross_entropy":
        raise ValueError(
            "output_weights: expected a loss that is a sum over outputs, found cross_entropy "
            "(class_weight weighs classes)"
        )
    weights = checks.real_array("output_weights", given).astype(np.float64)
    if weights.shape != (outputs,):
        raise ValueError(f"output_weights: expected shape ({outputs},), found {weights.shape}")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(f"output_weights: expected finite weights of at least 0, found {given!r}")
    return [float(w) for w in weights]


def _multilabel(job: Job) -> bool:
    """Whether targets have other than one output on in some row."""
    v = job.values
    if v is None or v.shape[1] == 1 or _continuous(job):
        return False
    return bool((v.sum(axis=1) != 1).any())


def classes_of(job: Job) -> NDArray[np.int64]:
    """Return each row's class, of all rows of x."""
    if job.labels is not None:
        return job.labels
    assert job.values is not None
    if job.values.shape[1] == 1:
        return (job.values[:, 0] > 0.5).astype(np.int64)
    found: NDArray[np.int64] = job.values.argmax(axis=1)
    return found


def _class_weighted(
    job: Job, given: dict[int, float] | str, outputs: int, dtype: np.dtype[Any]
) -> Job:
    if _multilabel(job):
        raise ValueError("class_weight: expected rows of one class each, found multilabel targets")
    classes, n = classes_of(job), max(2, outputs)
    weights = np.ones(n)
    if isinstance(given, str):
        checks.choice("class_weight", given, ("balanced",))
        counts = np.bincount(classes if job.rows is None else classes[job.rows], minlength=n)
        each = job.n / (np.sum(counts > 0) * np.maximum(counts, 1))
        weights = np.where(counts > 0, each, 1.0)
    elif isinstance(given, dict):
        for label, weight in given.items():
            weights[checks.whole("class_weight", label, 0, n - 1)] = checks.number(
                f"class_weight[{label}]", weight, 0.0, math.inf
            )
    else:
        raise TypeError(f"class_weight: expected a dict, 'balanced' or None, found {given!r}")
    rows = weights[classes]
    if job.weights is not None:
        rows = rows * job.weights
    if not rows.any():
        raise ValueError("class_weight: expected a row with a weight above 0, found only zeros")
    return job._replace(weights=np.ascontiguousarray(rows, dtype))


def split_rows(job: Job, part: float, key: int) -> tuple[Job, Job]:
    """Return the job's rows as those to train on and those to validate on, both in order.

    Of each class (of targets that are classes) the same part, the largest remainders rounded up.
    """
    n = job.n
    every = np.arange(n) if job.rows is None else job.rows
    total = min(n - 1, max(1, round(part * n)))
    if n < 2:
        raise ValueError(f"validation_split: expected at least 2 rows to split, found {n}")
    whole = job.labels is not None or not (_multilabel(job) or _continuous(job))
    groups = classes_of(job) if whole else np.zeros(len(job.x), np.int64)
    _, groups, counts = np.unique(groups[every], return_inverse=True, return_counts=True)
    exact = counts * (total / n)
    take = np.floor(exact).astype(np.int64)
    for g in np.argsort(take - exact, kind="stable")[: total - int(take.sum())]:
        take[g] += 1
    kept = np.zeros(n, bool)
    order = _core.shuffled(np.arange(n), key, 0)
    for g in range(len(counts)):
        kept[order[groups[order] == g][: take[g]]] = True
    return job._replace(rows=every[~kept]), job._replace(rows=every[kept])


def _continuous(job: Job) -> bool:
    v = job.values
    return v is not None and bool(((v != 0) & (v != 1)).any())

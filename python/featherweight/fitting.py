"""`Network.fit` and its kin: the door to training, whose modules are imported when it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import _core
from .learning import Learning
from .support.hints import named
from .support.imports import ensure_imported

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from os import PathLike

    from numpy.typing import ArrayLike

    from .optimizers import Optimizer
    from .training.history import History
    from .training.run import Run


class Fitting(Learning):
    """The part of `Network` that trains; a base class only so that files stay short."""

    @named
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
        progress: bool | Literal["auto", "lines"] = "auto",
        max_time: float | None = None,
        resume: str | PathLike[str] | None = None,
    ) -> History:
        """Train by mini-batches.

        Parameters
        ----------
        x : (rows, inputs) array or table, or iterable of batches
            Read in place as in a call, rows gathered by index, never copied as a whole: a
            ``np.memmap`` of any numbers may be larger than memory. An iterable gives
            ``(x, y)`` or ``(x, y, sample_weight)``, each of which is one step, and is run through
            once per epoch; `y`, `batch_size`, `shuffle` and what concerns rows are not used then.
        y : (rows,) or (rows, outputs) array
            Class labels from 0 (one-hot encoded), or targets; (rows,) values for a single output.
            Targets in a ``np.memmap`` may be larger than memory, too.
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
            Of all rows of x, at least 0, not all 0: a batch's loss is the weighted mean of its
            rows', and a batch of zeros alone is passed over. What rows of weight 0 hold must be
            finite, too. Accuracy counts rows.
        class_weight : dict or "balanced", optional
            What rows of each class count, by its label (0.0 as well as 0), those not named 1;
            "balanced" makes all classes count the same, ``rows / (classes * rows of the class)``.
            Multiplies `sample_weight`.
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
            al., "Dropout", JMLR 15, 2014). Without hidden layers it must be 0.
        input_dropout : float
            The same for the inputs.
        label_smoothing : float
            In [0, 1): targets t become ``(1 - s) t + s / outputs`` for cross_entropy (Szegedy et
            al., CVPR 2016), ``(1 - s) t + s / 2`` for binary_cross_entropy.
        metrics : str, callable, `Metric` or sequence of these
            ``accuracy``, ``top_5_accuracy``, ``f1`` (macro), ``subset_accuracy``, ``mse``,
            ``rmse``, ``mae``, ``r2``, or ``function(y, net.predict(x))``; taken after each epoch of
            the rows trained on (of arrays) and of the validation data, which costs a forward pass
            each, and memory for rows times outputs numbers. Where targets are multilabel an output
            is on above 0.5: `accuracy` is of rows that are right as a whole, `f1` the mean over the
            outputs, and functions get ``net.predict(x, threshold=0.5)``.
        callbacks : callable, object or sequence of these
            An object with any of ``on_train_begin``, ``on_epoch_begin``, ``on_batch_begin``,
            ``on_batch_end``, ``on_epoch_end``, ``on_train_end``, or a callable for the end of an
            epoch; each gets a `TrainingState`, and a true return (True, 1) stops. Without those for
            batches an epoch is one call of compiled code; without any, nor validation, metrics
            and schedule, many epochs are one.
        progress : bool, "auto" or "lines"
            A bar on stderr; "auto" when a person is watching; "lines" is a plain line for each
            epoch, for logs and files.
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
            If the loss or a weight becomes NaN or infinite; NaN and infinity in `x` are then named
            by row and column. The network holds the weights of the last epoch before; the
            optimizer's state is dropped. Also if the validation's loss is not finite because of
            its rows; the network then holds the weights of the last completed step.
        KeyboardInterrupt
            On Ctrl-C, with the weights of the last completed step. `history` has the epochs before.

        Warns
        -----
        UnscaledInputWarning
            Of uint8 rows above 1, such as pixels, in a network whose `input_scale` is 1.
        """
        given = {name: value for name, value in locals().items() if name != "self"}
        ensure_imported(".training.messages", ".training.fit", ".remembering", ".training.unscaled")
        if resume is not None:
            ensure_imported(".training.record")
        from .training.fit import prepare
        from .training.messages import stopped
        from .training.unscaled import warn_of_bytes

        run: Run | None = None
        try:
            with _core.OurEnvironment():
                task = prepare(self._network, given, {})
            warn_of_bytes(self._network, task.job)
            with _core.OurEnvironment():
                run = task.run(self._network)
            return self._run(run, rng, resume)
        except KeyboardInterrupt as e:
            if e.args:  # training's own sentence, or a handler's
                raise
            raise KeyboardInterrupt(
                f"training stopped before epoch 1 of {epochs}" if run is None else stopped(run)
            ) from None

    def _run(self, run: Run, rng: Any, resume: str | PathLike[str] | None) -> History:
        self._core.begin_fit()
        try:
            with _core.OurEnvironment():
                run.ready()
                if resume is not None:
                    from .training.record import restore

                    restore(run, resume, rng)
                self._history = run.history
                return run.plan.optimizer._fit(run)
        finally:
            self._core.end_fit()
            if rng is None:  # the generator goes on, whatever ended training
                self._epochs = run.plan.first_epoch + max(len(run.history.epoch), run.begun)

    @named
    def partial_fit(self, x: ArrayLike, y: ArrayLike, **options: Any) -> History:
        """Train on some more data: `fit` for one epoch, state kept from one call to the next.

        Takes what `fit` takes but `epochs`, `validation_split` and `resume`. Without an optimizer
        the network keeps an `Adam` of its own for these calls; without `rng` each call's order of
        rows is a new one. No rows, shape (0, inputs), change nothing.

        Returns
        -------
        History
            Of one epoch; empty without rows.
        """
        for name in ("epochs", "validation_split", "resume"):
            if name in options:
                raise TypeError(f"{name}: expected none in partial_fit, which is one epoch")
        ensure_imported(".optimizers", ".losses", ".training.history")
        if options.get("optimizer") is None:
            if self._partial is None:
                from .optimizers import Adam

                self._partial = Adam()
            options["optimizer"] = self._partial
        if y is not None and np.shape(x) == (0, self._sizes[0]):
            from . import losses
            from .training.history import History

            loss = losses.resolve(options.get("loss"), self._output).name
            self._job(x, y, options.get("sample_weight"), loss)
            return History()
        return self.fit(x, y, epochs=1, **({"progress": False} | options))

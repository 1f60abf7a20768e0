"""`Network`: what a user calls. It computes nothing itself: `Model` and the training do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import _core
from .model.model import Model
from .support import checks
from .support.hints import Elsewhere, check_keywords, named, parameters
from .support.imports import ensure_imported

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from os import PathLike

    from numpy.typing import ArrayLike, NDArray

    from .diagrams.svg import Diagram
    from .optimizers import Optimizer
    from .training.history import History


@named
def isas() -> tuple[str, ...]:
    """Return the instruction sets that run on this machine.

    Returns
    -------
    tuple of str
        Those that the processor has and this build knows, ``scalar`` first, the fastest last.
    """
    return _core.isas()


class Network(Model):
    """A dense neural network: layers ``a' = act(W a + b)``, each computed in one fused pass.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, hidden neurons of each layer, outputs: at least two positive numbers.
    activation : str or sequence of str
        Of all hidden layers, or one for each: ``identity``, ``sigmoid``, ``relu``, ``tanh``,
        ``leaky_relu`` (slope 0.01), ``elu`` (alpha 1), ``gelu`` (exact, by erf), ``silu``,
        ``softplus``, ``exp``.
    output : str
        ``softmax`` or any activation.
    dtype : dtype
        float32 or float64, of parameters and results.
    input_scale : float
        Multiplies the inputs as they are loaded, finite and not 0: with ``1/255`` a uint8 image
        goes in as it is.
    rng : None, int, sequence of int, SeedSequence, BitGenerator or Generator
        Seeds our own counter-based generator (Philox4x32-10; Salmon et al. 2011), on which initial
        weights and shuffles depend, and on nothing else.
    threads : int, optional
        1 to 1024; `get_num_threads()` by default. No result depends on it.
    isa : str, optional
        One of `isas()`; by default the environment's ``FEATHERWEIGHT_ISA`` or the fastest. No
        result depends on it.

    Raises
    ------
    TypeError, ValueError
        For any other argument, in a sentence.

    Notes
    -----
    Initial weights are uniform in (-l, l): l = sqrt(6 / (inputs + outputs)) for layers with
    sigmoid, tanh, identity or softmax (Glorot and Bengio 2010), l = sqrt(6 / inputs) for relu and
    its kin (He et al. 2015). Biases begin as 0.

    Forward calls may run at once from many threads; `fit` takes the network for itself.
    """

    _remembers = False
    _partial: Optimizer | None = None

    if not TYPE_CHECKING:
        load, load_model = Elsewhere("fw.load(path)"), Elsewhere("fw.load(path)")

    # Training

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
            its rows.
        KeyboardInterrupt
            On Ctrl-C, with the weights of the last completed step. `history` has the epochs before.

        Warns
        -----
        UnscaledInputWarning
            Of uint8 rows above 31, such as pixels, in a network whose `input_scale` is 1.
        """
        ensure_imported(".training.fit", ".training.unscaled")
        from .training.fit import carry_out, prepare
        from .training.run import Run
        from .training.unscaled import warn_of_bytes

        run: Run | None = None
        try:
            with _core.OurEnvironment():
                plan = prepare(
                    self,
                    x,
                    y,
                    epochs=epochs,
                    batch_size=batch_size,
                    optimizer=optimizer,
                    loss=loss,
                    shuffle=shuffle,
                    rng=rng,
                    rows=rows,
                    sample_weight=sample_weight,
                    class_weight=class_weight,
                    output_weights=output_weights,
                    validation_data=validation_data,
                    validation_split=validation_split,
                    l2=l2,
                    clip_value=clip_value,
                    clip_norm=clip_norm,
                    dropout=dropout,
                    input_dropout=input_dropout,
                    label_smoothing=label_smoothing,
                    metrics=metrics,
                    callbacks=callbacks,
                    progress=progress,
                    max_time=max_time,
                    resume=resume,
                )
            warn_of_bytes(self, plan.samples)
            with _core.OurEnvironment():
                run = Run(self, plan)
            return carry_out(run, rng)
        except KeyboardInterrupt as e:
            if e.args:  # training's own sentence, or a handler's
                raise
            raise KeyboardInterrupt(
                f"training stopped before epoch 1 of {epochs}"
                if run is None
                else run.where_stopped()
            ) from None

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
        fixed = ("epochs", "validation_split", "resume")
        for name in fixed:
            if name in options:
                raise TypeError(f"{name}: expected none in partial_fit, which is one epoch")
        known = [name for name in parameters(Network.fit) if name not in fixed]
        check_keywords(known, "Network.partial_fit", options, passed={"x": x, "y": y})
        ensure_imported(".optimizers", ".losses", ".model.samples", ".training.history")
        if options.get("optimizer") is None:
            if self._partial is None:
                from .optimizers import Adam

                self._partial = Adam()
            options["optimizer"] = self._partial
        if y is not None and _no_rows(x, self.sizes[0]):
            from . import losses
            from .model.samples import Samples
            from .training.history import History

            loss = losses.resolve(options.get("loss"), self.output).name
            Samples.checked(self, x, y, options.get("sample_weight"), loss=loss)
            return History()
        return self.fit(x, y, epochs=1, **({"progress": False} | options))

    # Judging

    @named
    def score(self, x: ArrayLike, y: ArrayLike) -> float:
        """Return the accuracy of a classifier, or a regressor's R² averaged over its outputs.

        `y` holds class labels (rows,) or rows of targets (rows, outputs), of which a classifier
        compares the largest; of multilabel targets (0 and 1, not one 1 in every row) those rows
        count of which every output is on the right side of 0.5. NaN without rows.

        Raises
        ------
        TypeError, ValueError
            For wrong arguments, or if an output is NaN, as of rows that hold NaN or infinity.
        """
        ensure_imported(".training.evaluation")
        from .training.evaluation import score

        return score(self, x, y)

    @named
    def evaluate(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        loss: Any = None,
        sample_weight: ArrayLike | None = None,
        output_weights: Sequence[float] | None = None,
    ) -> tuple[float, float]:
        """Return the loss over all rows, whatever the batch size in training, and `score`.

        Arguments are those of `fit`. Weights weigh the loss; the score counts rows. Raises
        ValueError where rows hold NaN or infinity and the loss or the score is not finite.
        """
        ensure_imported(".training.evaluation")
        from .training.evaluation import evaluate

        return evaluate(
            self, x, y, loss=loss, sample_weight=sample_weight, output_weights=output_weights
        )

    # Looking at it

    @property
    def history(self) -> History | None:
        """What the last training measured, also if Ctrl-C or an error ended it; isn't saved."""
        found: History | None = self._history
        return found

    @named
    def diagram(self, x: ArrayLike | None = None, *, most: int = 16) -> Diagram:
        """Return the network as an image that a notebook shows, lit by an input if one is given.

        Parameters
        ----------
        x : (inputs,) array, optional
            Finite, of any real dtype. Neurons are the brighter, the larger their activation beside
            the end of the scale that stands below their layer; negative ones bear a minus.
        most : int
            How many neurons of a layer are drawn, at least 2. A square input of more pixels, of 8
            by 8 or more, is drawn as an image.

        Returns
        -------
        Diagram
            Its `svg` is the image.

        Raises
        ------
        TypeError, ValueError
            For another `most`, an input of another shape, or weights or activations that are not
            finite.
        """
        ensure_imported(".diagrams.svg")
        from .diagrams.svg import Diagram

        return Diagram(self, x, most)

    def _repr_svg_(self) -> str | None:
        return self._svg(None)

    def _svg(self, x: ArrayLike | None) -> str | None:
        """Return the diagram if there can be one; a notebook shows the repr where there is none."""
        try:
            return self.diagram(x).svg
        except (ValueError, RuntimeError):  # not finite, or taken by training in another thread
            return None

    @property
    def remembers_input(self) -> bool:
        """Whether a notebook shows the network lit by the last row that it was called with.

        False at first. When True, each call, `predict` and `activations` keep a copy of that row,
        which costs some microseconds, and the network is no longer of the class Network itself but
        of one derived. `score`, `evaluate` and pictures leave what is remembered.
        """
        return self._remembers

    @remembers_input.setter
    def remembers_input(self, on: bool) -> None:
        if not isinstance(on, bool):
            raise TypeError(f"remembers_input: expected True or False, found {on!r}")
        if type(self) not in (Network, Remembering):
            raise TypeError(
                "remembers_input: expected a Network, and none of a class derived from it, "
                f"found {type(self).__name__}"
            )
        self.__class__ = Remembering if on else Network
        if not on:
            self.__dict__.pop("_last", None)

    # Keeping it

    @named
    def save(self, path: str | PathLike[str]) -> None:
        """Write the network to a safetensors file, whole or not at all.

        It is written beside `path` and then renamed, so that an interrupted save leaves an older
        file as it was; what a killed process left there is removed. Raises OSError where it
        can't be written.
        """
        ensure_imported(".exchange.safetensors")
        from .exchange.safetensors import save

        save(self, path)


def _no_rows(x: Any, inputs: int) -> bool:
    """Whether there are no rows in an array, or a list of arrays."""
    given = isinstance(x, (list, tuple)) or hasattr(x, "__array__")
    return given and np.shape(x) == (0, inputs)


class Remembering(Network):
    """What `Network.remembers_input` turns a network into, and back.

    A class of its own, since a plain network's call is compiled and asks nothing of the kind.
    """

    _remembers = True
    _last: NDArray[Any] | None = None

    @named
    def __call__(
        self, x: ArrayLike, *, out: NDArray[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        """Return the outputs, as `Network`; keep a copy of the last row."""
        rows = checks.inputs(x, self.sizes[0], self.dtype)
        last = rows[-1].copy() if len(rows) else self._last  # before out, which may lie over x
        y = super().__call__(x, out=out, copy=copy)
        self._last = last
        return y

    def activations(self, x: ArrayLike) -> list[NDArray[Any]]:
        """Return all layers' activations, as `Network`; keep a copy of the last row."""
        rows = checks.inputs(x, self.sizes[0], self.dtype)
        last = rows[-1].copy() if len(rows) else self._last
        found = super().activations(x)
        self._last = last
        return found

    def _repr_svg_(self) -> str | None:
        fits = self._last is not None and self._last.shape == self.sizes[:1]
        return self._svg(self._last if fits else None)

    def _plain(self) -> Model:
        """Return a model of the same parameters, which remembers nothing."""
        plain = Model.__new__(Model)
        plain.__dict__.update(self.__dict__)
        plain._core = self._core
        return plain


@named
def load(
    path: str | PathLike[str], *, threads: int | None = None, isa: str | None = None
) -> Network:
    """Read a network that `Network.save` wrote.

    Parameters
    ----------
    path : str or path
    threads, isa
        As in `Network`.

    Raises
    ------
    OSError
        If the file can't be read.
    ValueError
        If it isn't such a file, is truncated, or is of a newer format.
    """
    ensure_imported(".exchange.safetensors")
    from .exchange.safetensors import build, read

    return build(Network, *read(os.fspath(path)), threads=threads, isa=isa)

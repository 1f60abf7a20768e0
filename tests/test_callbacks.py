"""Callbacks: what they are told and when, what ends training, and early stopping's settings."""

import functools

import numpy as np
import pytest

import compare
import featherweight as fw


def problem(**options):
    rng = np.random.Generator(np.random.Philox(3))
    x = rng.normal(size=(200, 20)).astype(np.float32)
    return fw.Network([20, 16, 2], **({"rng": 1} | options)), x, (x[:, 0] > 0).astype(np.int64)


class Log:
    """Notes all that it is told, and answers one of it."""

    def __init__(self, stop=None, answer=True):
        self.log, self._stop, self._answer = [], stop, answer

    def __getattr__(self, name):
        if not name.startswith("on_"):
            raise AttributeError(name)

        def told(state):
            event = name.removeprefix("on_"), state.epoch, state.batch
            self.log.append(event)
            return self._answer if event == self._stop else None

        return told


def epoch(number, batches):
    each = [(f"batch_{w}", number, b) for b in range(1, batches + 1) for w in ("begin", "end")]
    return [("epoch_begin", number, 0), *each, ("epoch_end", number, batches)]


def of_iterable(x, y):
    return [(x[:50], y[:50]), (x[:0], y[:0]), (x[50:], y[50:])], None


@pytest.mark.parametrize(
    ("data", "batches"), [(lambda x, y: (x, y), 4), (of_iterable, 2)], ids=["arrays", "iterable"]
)
def test_each_beginning_has_its_end(data, batches):
    """Of the iterable's three batches one is empty, and no step."""
    net, x, y = problem()
    log = Log()
    net.fit(*data(x, y), epochs=2, batch_size=50, callbacks=log)
    assert log.log == [
        ("train_begin", 0, 0), *epoch(1, batches), *epoch(2, batches), ("train_end", 2, batches)
    ]  # fmt: skip


@pytest.mark.parametrize("data", [lambda x, y: (x, y), of_iterable], ids=["arrays", "iterable"])
def test_a_batch_that_is_stopped_before_it_begins(data):
    """One step of the second epoch is taken and its epoch noted, or none is and it isn't."""
    for batch, epochs in ((1, [1]), (2, [1, 2])):
        net, x, y = problem()
        log, optimizer = Log(("batch_begin", 2, batch)), fw.SGD(0.1)
        history = net.fit(*data(x, y), epochs=5, batch_size=50, callbacks=log, optimizer=optimizer)
        assert history.epoch == epochs
        steps = len([e for e in log.log if e[0] == "batch_end"])
        assert optimizer._steps == steps == (4 if data is not of_iterable else 2) + batch - 1


@pytest.mark.parametrize(
    ("answer", "stops"),
    [
        (True, True), (1, True), ("no", True), ([0], True), (np.array(True), True),
        (None, False), (0, False), ("", False), (np.array([0.0]), False),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "event", [("train_begin", 0, 0), ("epoch_begin", 3, 0), ("epoch_end", 2, 4)]
)
def test_what_is_true_stops(event, answer, stops):
    net, x, y = problem()
    log = Log(event, answer)
    history = net.fit(x, y, epochs=4, batch_size=50, callbacks=log)
    assert len(history.epoch) == ((2 if event[1] else 0) if stops else 4)


def test_an_answer_that_is_neither():
    net, x, y = problem()
    with pytest.raises(
        TypeError,
        match=r"^callbacks: expected something true or false from on_epoch_end, "
        r"found ndarray of shape \(3,\)$",
    ):
        net.fit(x, y, callbacks=lambda state: np.ones(3))


def test_the_speed_is_that_of_the_rows():
    net, x, y = problem()
    history = net.fit(x, y, epochs=3)
    for seconds, speed in zip(history.seconds, history.images_per_second, strict=True):
        assert speed * seconds == pytest.approx(200)


# ---- early stopping
def stopped(values, **options):
    """Train with a metric that has these values; return the last epoch, the best, and weights."""
    net, x, y = problem()
    given, kept = iter(values), []
    metric = fw.Metric(lambda y, p: next(given), "mine")
    stopping = fw.EarlyStopping("mine", **options)
    history = net.fit(
        x, y, epochs=len(values), metrics=metric,
        callbacks=[stopping, lambda state: kept.append(net.parameters.copy())],
    )  # fmt: skip
    return len(history.epoch), stopping, kept, net.parameters


def test_min_delta():
    falls = [1.0, 0.95, 0.9, 0.85, 0.8, 0.75]
    end, stopping, _, _ = stopped(falls, patience=1, mode="min", min_delta=0.08)
    assert (end, stopping.best_epoch) == (6, 5)  # from 1.0 to 0.9 to 0.8
    end, stopping, _, _ = stopped(falls, patience=1, mode="min", min_delta=0.5)
    assert (end, stopping.best_epoch) == (3, 1)


@pytest.mark.parametrize(("mode", "best"), [("max", 4), ("min", 2), ("auto", 4)])
def test_mode(mode, best):
    _, stopping, kept, parameters = stopped([3.0, 1.0, 2.0, 5.0, 4.0], mode=mode)
    assert stopping.best_epoch == best
    compare.assert_same_bits(parameters, kept[best - 1])


def test_the_last_weights_are_left():
    _, stopping, kept, parameters = stopped([1.0, 2.0, 3.0], mode="min", restore_best=False)
    assert stopping.best_epoch == 1
    compare.assert_same_bits(parameters, kept[2])


def test_nan_is_no_improvement_on_nan():
    nan = float("nan")
    end, stopping, _, _ = stopped([nan] * 9, patience=3, mode="min")
    assert (end, stopping.best_epoch) == (5, 1)
    _, stopping, kept, parameters = stopped([nan, nan, 3.0, nan, 4.0], mode="min")
    assert (stopping.best, stopping.best_epoch) == (3.0, 3)
    compare.assert_same_bits(parameters, kept[2])


def test_callbacks_of_other_libraries_and_misspelt_events_are_refused():
    """Before training, which leaves the network as it is."""

    def made(name, method):
        return type("Mine", (), {name: method})()

    net, x, y = problem()
    before = net.parameters.copy()
    for callback, sentence in (
        (made("on_epoch_end", lambda self, epoch, logs=None: None), r"on_epoch_end\(epoch, logs\)"),
        (made("on_train_begin", lambda self, logs=None: None), r"found on_train_begin\(logs\)"),
        (
            made("on_batch_end", lambda self, trainer, model: None),
            r"expected on_batch_end\(state\)",
        ),
    ):
        with pytest.raises(TypeError, match=sentence):
            net.fit(x, y, callbacks=callback)
    both = type("Both", (), {"on_epoch_ends": print, "on_train_end": lambda self, state: None})()
    with pytest.raises(TypeError, match="expected on_epoch_end, found on_epoch_ends in Both"):
        net.fit(x, y, callbacks=both)
    lightning = type("Both", (), {"on_train_start": print, "on_epoch_end": lambda s, state: None})
    with pytest.raises(TypeError, match="expected on_train_begin, found on_train_start in Both"):
        net.fit(x, y, callbacks=lightning())
    for method in (lambda self: None, lambda self, state, extra: None):
        with pytest.raises(TypeError, match=r"expected on_epoch_end\(state\)"):
            net.fit(x, y, callbacks=made("on_epoch_end", method))
    compare.assert_same_bits(net.parameters, before)


@pytest.mark.parametrize("beside", [True, False])
def test_methods_of_other_libraries_are_refused_beside_events(beside):
    """All of them would never be called, or with a state in place of what they take."""
    net, x, y = problem()
    before = net.parameters.copy()
    right = {"on_epoch_end": lambda self, state: None} if beside else {}
    alone = "expected on_train_begin, .*, on_train_end alone"
    for name, sentence in {
        "on_test_end": alone,
        "on_test_batch_begin": alone,
        "on_predict_begin": alone,
        "on_predict_batch_end": alone,
        "on_validation_batch_end": alone,
        "on_validation_end": "expected on_epoch_end",
        "set_model": "expected on_train_begin",
        "set_params": "expected on_train_begin",
        "on_train_batch_begin": "expected on_batch_begin",
        "on_train_batch_end": "expected on_batch_end",
    }.items():
        made = type("Mine", (), {**right, name: lambda self, first, logs=None: None})()
        with pytest.raises(TypeError, match=f"^callbacks: {sentence}.*, found {name} in Mine"):
            net.fit(x, y, callbacks=made)
    made = type("Mine", (), {**right, "on_train_end": lambda self, e, logs=None: None})()
    with pytest.raises(TypeError, match=r"expected on_train_end\(state\), .* in Mine"):
        net.fit(x, y, callbacks=made)
    compare.assert_same_bits(net.parameters, before)


def test_a_class_of_callbacks_may_have_other_methods():
    def nothing(self, *given):
        pass

    net, x, y = problem()
    for names in (["save", "set_up", "reset", "test", "online"], ["get_params", "set_params"]):
        methods = dict.fromkeys(names, nothing) | {"on_epoch_end": lambda self, state: None}
        net.fit(x, y, callbacks=type("Mine", (), methods)())


def test_a_method_may_have_arguments_of_its_own():
    seen = []
    method = {"on_epoch_end": lambda self, state, model="mine": seen.append(model)}
    net, x, y = problem()
    net.fit(x, y, callbacks=type("Mine", (), method)())
    assert seen == ["mine"]
    with pytest.raises(AttributeError, match="stop_training"):
        net.fit(x, y, callbacks=lambda state: setattr(state, "stop_training", True))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (lambda epoch, logs: None, r"<lambda>\(epoch, logs\)"),
        (lambda: None, r"<lambda>\(\)"),
        (lambda state, *, logs: None, r"<lambda>\(state, \*, logs\)"),
        (lambda epoch, logs=None: None, r"<lambda>\(epoch, logs=None\)"),
    ],
)
def test_callables_that_one_argument_is_not_enough_for(given, found):
    net, x, y = problem()
    before = net.parameters.copy()
    with pytest.raises(TypeError, match=f"^callbacks: expected a callable of one .*found {found}$"):
        net.fit(x, y, epochs=1, callbacks=given, progress=False)
    compare.assert_same_bits(net.parameters, before)
    for right in (
        lambda state: None,
        lambda state, mine=None: None,
        lambda state, mine=None, other=(): None,
        lambda state, *, logs=(): None,
        functools.partial(lambda state, logs: None, logs=[]),
        functools.partial(lambda state, a, b: None, a=1, b=2),
        lambda *states: None,
        [].append,
    ):
        net.fit(x, y, epochs=1, callbacks=right, progress=False)


def test_of_an_object_without_events_the_nearest_is_named():
    class Mine:
        def on_epoch_ended(self, state):
            pass

    class Far:
        def on_epoch_stop(self, state):
            pass

    net, x, y = problem()
    for given in (Mine(), Far()):
        with pytest.raises(TypeError, match=r"^callbacks: expected on_epoch_end, found on_epoch_"):
            net.fit(x, y, epochs=1, callbacks=given, progress=False)


def test_callbacks_that_run_later_or_never_are_refused():
    async def later(state):
        pass

    def generates(state):
        yield

    net, x, y = problem()
    made = [later, generates]
    made += [type("Mine", (), {"on_epoch_end": staticmethod(m)})() for m in (later, generates)]
    made += [type("Mine", (), {"on_epoch_end": 5})()]
    for callback in made:
        with pytest.raises(TypeError, match=r"^callbacks: expected .*, found "):
            net.fit(x, y, epochs=2, callbacks=callback)

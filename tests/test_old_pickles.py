"""Objects pickled by older versions, whose modules had other names, are still read."""

import base64
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import featherweight as fw

# written by version 0.1.0 before its modules were put into folders
OLD = Path(__file__).resolve().parent / "old" / "pickles.json"
PICKLES = json.loads(OLD.read_text(encoding="utf-8"))
PUBLIC = ("SGD", "Adam", "AdamW", "RMSprop", "LBFGS", "History", "Gradients", "EarlyStopping")
PUBLIC += ("Checkpoint", "Metric", "TrainingState", "UnscaledInputWarning", "Network")


@pytest.mark.parametrize("name", PICKLES)
def test_an_old_pickle_is_read(name):
    found = pickle.loads(base64.b64decode(PICKLES[name]))
    if isinstance(found, type) or name in ("load", "fit_many"):
        assert found is getattr(fw, name)
        return
    assert type(found).__name__ == {"weights": "Parameters"}.get(name, name)
    again = pickle.loads(pickle.dumps(found))
    assert type(again) is type(found)


def test_old_pickles_hold_what_they_held():
    def old(name):
        return pickle.loads(base64.b64decode(PICKLES[name]))

    net, x, y = fw.Network([3, 2, 2], rng=0), np.eye(3), [0, 1, 1]
    adam = fw.Adam(0.01, schedule=fw.schedules.StepLR(2))
    history = net.fit(x, y, epochs=2, optimizer=adam, progress=False)
    assert np.array_equal(old("Network").parameters, net.parameters)
    assert old("History").loss == history.loss
    assert np.array_equal(old("Gradients").input, net.gradients(x, y)[1].input)
    assert repr(old("Adam")) == repr(adam)
    assert old("LBFGS").history_size == 7
    assert old("EarlyStopping").patience == 3
    assert old("Remembering").remembers_input


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_class_is_pickled_by_a_public_name(name):
    cls = getattr(fw, name)
    assert cls.__module__ in ("featherweight", "featherweight.optimizers", "featherweight.network")
    assert pickle.loads(pickle.dumps(cls)) is cls

"""Data, networks, and callbacks that change data while a network is trained on them."""

import numpy as np

import featherweight as fw

ROWS, INPUTS = 60, 7


def rows(dtype=np.float32):
    rng = np.random.Generator(np.random.Philox(8))
    return rng.normal(size=(ROWS, INPUTS)).astype(dtype), rng.integers(0, 3, ROWS)


def network(output="softmax", sizes=(INPUTS, 9, 3), **options):
    return fw.Network(sizes, "tanh", output, rng=2, **options)


class Changing:
    """A callback that changes something at the end of an epoch, and keeps the weights of then."""

    def __init__(self, change, epoch=2):
        self.change, self.epoch, self.weights = change, epoch, None

    def on_epoch_end(self, state):
        if state.epoch == self.epoch:
            self.weights = state.network.parameters.copy()
            self.change()


class ChangingInAnEpoch(Changing):
    def on_batch_end(self, state):
        if state.epoch == self.epoch + 1 and state.batch == 2:
            self.change()

    def on_epoch_end(self, state):
        if state.epoch == self.epoch:
            self.weights = state.network.parameters.copy()

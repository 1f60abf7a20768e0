"""What optimizers keep of gradients long past ends at 0, not below the smallest normal number."""

import numpy as np
import pytest

import compare
import featherweight as fw

KINDS = {
    "momentum": lambda: fw.SGD(0.1, momentum=0.9),
    "nesterov": lambda: fw.SGD(0.1, momentum=0.9, nesterov=True),
    "Adam": lambda: fw.Adam(betas=(0.9, 0.9)),
    "AdamW": lambda: fw.AdamW(betas=(0.9, 0.9), weight_decay=0.0),
    "RMSprop": lambda: fw.RMSprop(alpha=0.9),
    "RMSprop, all": lambda: fw.RMSprop(alpha=0.9, momentum=0.9, centered=True),
}


def subnormal(a):
    return (a != 0) & (np.abs(a) < np.finfo(a.dtype).tiny)


def decay(kind, isa, dtype, steps):
    """Take one step by a gradient, then steps by none; yield the state after each."""
    net = fw.Network([3, 17, 2], "tanh", "identity", rng=0, isa=isa, dtype=dtype)
    x, optimizer = np.ones((4, 3), dtype), KINDS[kind]()
    optimizer.step(net, net.backward(x, np.ones((4, 2), dtype)))
    yield optimizer._slots
    for _ in range(steps):
        optimizer.step(net, net.backward(x, np.zeros((4, 2), dtype)))
        yield optimizer._slots


@pytest.mark.parametrize("kind", KINDS)
def test_state_ends_at_zero(kind, dtype):
    steps = 1200 if dtype == np.float32 else 7500
    states = decay(kind, None, dtype, steps)
    assert np.any(next(states) != 0)
    for state in states:
        assert not subnormal(state).any()
    assert not state.any()


def test_numbers_below_the_smallest_normal_one_are_noticed(dtype):
    tiny = np.finfo(dtype).tiny
    least = np.finfo(dtype).smallest_subnormal
    assert subnormal(np.array([tiny / 2, -tiny / 2, least], dtype)).all()
    assert not subnormal(np.array([0, tiny, -tiny, np.nan, np.inf], dtype)).any()
    state, steps = dtype(1), 0
    while abs(state) >= tiny:  # as it goes without an end of its own
        state, steps = state * dtype(0.9), steps + 1
    for _ in range(1000):
        state *= dtype(0.9)
    assert subnormal(np.array([state])).all()
    assert steps < (1200 if dtype == np.float32 else 7500)


@pytest.mark.parametrize("kind", KINDS)
def test_state_decays_alike_on_every_instruction_set(kind):
    others = [decay(kind, isa, np.float32, 1000) for isa in fw.isas()]
    for first, *rest in zip(*others, strict=True):
        for state in rest:
            compare.assert_same_bits(state, first)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_finite_stays(kind, isa, dtype):
    net = fw.Network([3, 17, 2], "tanh", "identity", rng=0, isa=isa, dtype=dtype)
    x, optimizer = np.ones((4, 3), dtype), KINDS[kind]()
    optimizer.step(net, net.backward(x, np.full((4, 2), np.nan, dtype)))
    assert np.isnan(optimizer._slots).any(axis=1).all()


def test_weights_of_rows_below_the_smallest_normal_number_count_as_zero(dtype):
    net, tiny = fw.Network([3, 4, 2], "tanh", rng=0, dtype=dtype), np.finfo(dtype).tiny
    x, y = np.random.Generator(np.random.Philox(1)).normal(size=(6, 3)).astype(dtype), [0, 1] * 3
    small, some = np.full(6, tiny / 4, dtype), np.array([tiny / 2, 1, 2, tiny / 4, 1, 1], dtype)
    uses = {
        "evaluate": lambda w: net.evaluate(x, y, sample_weight=w)[0],
        "gradients": lambda w: net.gradients(x, y, sample_weight=w)[0],
        "fit": lambda w: net.fit(x, y, sample_weight=w, rng=0).loss[0],
        "validation_data": lambda w: net.fit(x, y, validation_data=(x, y, w), rng=0).val_loss[0],
    }
    before = net.parameters.copy()
    for name, use in uses.items():
        with pytest.raises(ValueError, match=r"found only weights below .*, which count as 0"):
            use(small)
        found = []
        for w in (some, np.where(some < tiny, dtype(0), some)):
            net.set_parameters(before)
            found.append(use(w))
        assert found[0] == found[1], name
        assert np.isfinite(found[0])
    assert subnormal(some).any()

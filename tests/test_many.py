"""fit_many: the bits of every network alone, folds, and what is refused."""

import numpy as np
import pytest

import compare
import featherweight as fw


def problem(dtype=np.float32):
    rng = np.random.Generator(np.random.Philox(3))
    x = rng.normal(size=(300, 20)).astype(dtype)
    return x, (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 1)


def networks(dtype=np.float32, threads=None):
    hidden = [(), (8,), (16, 16), (33, 7), (64,)] * 3
    return [
        fw.Network([20, *h, 3], rng=i, dtype=dtype, threads=threads) for i, h in enumerate(hidden)
    ]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_each_has_the_bits_of_being_trained_alone(threads, dtype):
    x, labels = problem(dtype)
    nets, alone = networks(dtype, 2), networks(dtype)
    folds = [np.flatnonzero(np.arange(300) % 5 != i % 5) for i in range(len(nets))]
    rates = [0.001 * (i + 1) for i in range(len(nets))]
    options = {"epochs": 3, "dropout": 0.0, "validation_split": 0.1, "label_smoothing": 0.1}
    histories = fw.fit_many(
        nets, x, labels, optimizer=[fw.Adam(r) for r in rates], rows=folds, rng=range(15),
        threads=threads, **options,
    )  # fmt: skip
    for i, (net, other) in enumerate(zip(nets, alone, strict=True)):
        history = other.fit(
            x[folds[i]], labels[folds[i]], optimizer=fw.Adam(rates[i]), rng=i, **options
        )
        compare.assert_same_bits(net.parameters, other.parameters)
        assert histories[i].loss == history.loss
        assert histories[i].val_loss == history.val_loss
        assert net.threads == 2
    assert not np.array_equal(nets[0].parameters, nets[5].parameters)  # of one shape


def test_rows_of_fit_in_their_order(isa, dtype):
    x, labels = problem(dtype)
    one, other = (fw.Network([20, 16, 3], rng=1, dtype=dtype, isa=isa) for _ in range(2))
    rows = np.random.Generator(np.random.Philox(1)).integers(0, 300, 200)
    w = np.arange(300) % 4 + 0.5
    one.fit(x, labels, rows=rows, sample_weight=w, class_weight="balanced", shuffle=False)
    other.fit(x[rows], labels[rows], sample_weight=w[rows], class_weight="balanced", shuffle=False)
    compare.assert_same_bits(one.parameters, other.parameters)


def test_one_that_fails_does_not_ruin_the_others():
    x, labels = problem()
    nets, alone = networks()[:3], networks()[:3]
    rates = [0.1, 1e30, 0.1]
    with pytest.raises(FloatingPointError, match=r"networks\[1\]: loss: expected a finite one"):
        fw.fit_many(nets, x, labels, epochs=2, optimizer=[fw.SGD(r) for r in rates])
    for i in (0, 2):
        alone[i].fit(x, labels, epochs=2, optimizer=fw.SGD(0.1))
        compare.assert_same_bits(nets[i].parameters, alone[i].parameters)


def test_refusals():
    x, labels = problem()
    nets, adam = networks(), fw.Adam()
    for given, sentence in (
        ({"networks": [nets[0], nets[0]]}, "networks: expected all different ones"),
        ({"networks": [1]}, r"networks\[0\]: expected a Network"),
        ({"optimizer": [adam] * 15}, "optimizer: expected a different one for each"),
        ({"rows": [[0]]}, "rows: expected a sequence of 15, one for each network, found 1"),
        ({"rows": [[300]] * 15}, r"networks\[0\]: rows: expected row numbers from 0 to 299"),
        ({"resume": "a"}, "resume: expected none"),
        ({"dropouts": 1}, "unexpected keyword"),
    ):
        with pytest.raises((TypeError, ValueError), match=sentence):
            fw.fit_many(**({"networks": nets, "x": x, "y": labels} | given))
    assert fw.fit_many([], x, labels) == []

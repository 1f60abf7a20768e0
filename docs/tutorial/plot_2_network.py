"""
2. Layers, and 13,002 numbers
=============================

Neurons stand in layers, each reading all of the layer before. The first is the picture itself, 784
numbers; the last has ten neurons, one for each digit, and the brightest of them is the answer. In
between are two *hidden* layers of sixteen.

Why layers? One may hope that the second puts together what the first has noticed: edges into loops
and strokes, loops and strokes into digits. A 9 is a loop above and a stroke to the right. Whether
that is what happens we shall see when the network is opened.
"""

import numpy as np

import featherweight as fw

net = fw.Network([784, 16, 16, 10], activation="sigmoid", output="sigmoid", rng=0)

# %%
# Each neuron of a layer has a weight for every neuron of the layer before, and a bias:

counted = 0
for n, m in zip(net.sizes, net.sizes[1:]):
    print(f"{n:>4} -> {m:<3} {n * m:>6} weights {m:>3} biases")
    counted += n * m + m
print(counted, "in all; the library counts", net.parameter_count)
assert counted == net.parameter_count == 13002

# %%
# All neurons of a layer together are one matrix-vector product. Row *j* of the matrix *W* is what
# neuron *j* looks for; the layer's numbers are
#
# .. math:: a' = \sigma(W a + b)
#
# and the network is that three times over. Here it is in NumPy, beside the library, on all test
# images at once. (Biases begin as 0; others are put in, so that they are seen to count.)

rng = np.random.default_rng(0)
for i, size in enumerate(net.sizes[1:]):
    net.biases[i] = rng.normal(size=size)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def by_hand(a):
    for w, b in zip(net.weights, net.biases):
        a = sigmoid(a @ w.T + b)
    return a


_, test = fw.data.digits()
x = (test.images / 255).astype(np.float32)
difference = np.abs(net(x) - by_hand(x.astype(np.float64))).max()
print(f"largest difference of {len(x)} x 10 numbers: {difference:.1e}")
assert difference < 1e-6

# %%
# That is all that a network of this kind is: a function of 784 numbers with 13,002 knobs. With its
# knobs set at random, as now, it is no better than a guess.

score = net.score(x, test.labels)
print(f"{score:.1%} read rightly; a guess gives about 10%")
assert 0.05 < score < 0.2
for i, a in enumerate(net.activations(x[0])):
    print("layer", i, a.shape, np.round(a[:5], 2), "...")

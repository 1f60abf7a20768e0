"""
2. Layers, and 13,002 numbers
=============================

Neurons are arranged in layers. Each neuron reads all neurons of the layer before. The first layer
is the image itself, 784 numbers. The last layer has ten neurons, one for each digit. The one with
the largest activation is the answer. Between these layers are two *hidden* layers of sixteen
neurons.

Why layers? One might hope that each layer combines the features of the layer before: edges into
loops and strokes, and loops and strokes into digits. A 9, for example, has a loop at the top and
a stroke on the right. Chapter 4 looks into a trained network to see whether this is true.
"""

import numpy as np

import featherweight as fw

net = fw.Network([784, 16, 16, 10], activation="sigmoid", output="sigmoid", rng=0)

# %%
# Each neuron has one weight for every neuron of the layer before, and a bias:

counted = 0
for n, m in zip(net.sizes, net.sizes[1:]):
    print(f"{n:>4} -> {m:<3} {n * m:>6} weights {m:>3} biases")
    counted += n * m + m
print(counted, "in all; the library counts", net.parameter_count)
assert counted == net.parameter_count == 13002

# %%
# A whole layer is one matrix-vector product. Row *j* of the matrix *W* has the weights of neuron
# *j*. The activations of the layer are
#
# .. math:: a' = \sigma(W a + b)
#
# and the network applies this formula three times. The next block does so in NumPy and compares
# the result with the library, on all test images at once. (Biases are initially 0. We set other
# values, so that an error in their use would show.)

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
# So the network is a function of 784 numbers with 13,002 parameters. The parameters are still
# random. With these, the network is no better than a guess.

score = net.score(x, test.labels)
print(f"{score:.1%} classified correctly; a guess gives about 10%")
assert 0.05 < score < 0.2
for i, a in enumerate(net.activations(x[0])):
    print("layer", i, a.shape, np.round(a[:5], 2), "...")

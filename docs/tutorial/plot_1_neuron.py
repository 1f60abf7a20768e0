"""
1. A neuron
===========

A handwritten digit, 28 pixels by 28, is 784 numbers: how bright each pixel is, from 0 to 1. What
reads it must turn these 784 numbers into one of ten answers. It does so with parts that are almost
too simple: **a neuron is a number**, made of other numbers.
"""

import matplotlib.pyplot as plt
import numpy as np

import featherweight as fw

train, test = fw.data.digits()  # 12,000 digits that come with the package
image = test.images[3] / 255  # (784,) numbers from 0 to 1
print(image.shape, image.min(), image.max(), "a", test.labels[3])

plt.figure(figsize=(3, 3))
plt.imshow(image.reshape(28, 28), cmap="gray_r")
plt.title(f"784 numbers, drawn as a {test.labels[3]}")
plt.axis("off")

# %%
# It weighs each of its inputs, adds up, and adds a number of its own, the *bias*, which says how
# high the sum must be before the neuron finds it worth saying something. Suppose a neuron is to
# notice a stroke across the middle of the picture. Weights of 1 there, and of -1 just above and
# below, will do: bright where a stroke is wanted counts for it, bright around it against.

weights = np.zeros((28, 28))
weights[13:16, 9:19] = 1
weights[10:12, 9:19] = weights[17:19, 9:19] = -1
bias = -6.0


def weighted_sum(image):
    return np.sum(weights.ravel() * image) + bias


print(f"weighted sum: {weighted_sum(image):.2f}")

# %%
# The sum may be any number. A last function squeezes it into a range: the **sigmoid** takes what is
# very negative to 0 and what is very positive to 1. Today a simpler one is common, the rectified
# linear unit or **relu**, which lets pass what is positive and makes the rest 0.


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def relu(z):
    return np.maximum(z, 0)


z = np.linspace(-6, 6, 200)
fig, axes = plt.subplots(1, 2, figsize=(7, 2.4), layout="constrained")
for ax, f in zip(axes, (sigmoid, relu)):
    ax.plot(z, f(z), "k")
    ax.set(title=f.__name__, xlabel="weighted sum", ylabel="the neuron's number")

# %%
# So a neuron's number is ``sigmoid(w · a + b)``. In the library it is a network of one neuron. Here
# are sixteen digits whose weighted sums *z* fall in equal steps from 6 to -6, and its answers.

net = fw.Network([784, 1], output="sigmoid", dtype=np.float64, input_scale=1 / 255)
net.weights[0], net.biases[0] = weights.reshape(1, 784), [bias]

activation = net(test.images)[:, 0]
z = np.array([weighted_sum(image / 255) for image in test.images])
assert np.allclose(activation, sigmoid(z))

steps = np.linspace(6, -6, 16)
chosen = [np.abs(z - step).argmin() for step in steps]
assert np.abs(z[chosen] - steps).max() < 0.1
fig, axes = plt.subplots(2, 8, figsize=(8, 2.8), layout="constrained")
for ax, i in zip(axes.ravel(), chosen):
    ax.imshow(test.images[i].reshape(28, 28), cmap="gray_r")
    ax.set_title(f"z = {z[i]:.1f}\n{activation[i]:.3f}", fontsize=8)
    ax.axis("off")

# %%
# It notices strokes across the middle, and so it takes sides between the digits: many a 3, 4, 5 and
# 9 has such a stroke, no 0 has one, and hardly any 1 or 7.

excited = [np.mean(activation[test.labels == digit] > 0.5) for digit in range(10)]
for digit, share in enumerate(excited):
    print(f"{digit}: {share:.1%} excite it")
assert min(excited[digit] for digit in (3, 4, 5, 9)) > 0.3
assert max(excited[digit] for digit in (0, 1, 7)) < 0.02

# %%
# This neuron was made by hand, and for one purpose. A network is many of them, and nobody sets
# their weights: it finds them by itself.

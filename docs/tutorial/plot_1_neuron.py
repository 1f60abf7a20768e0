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
# So a neuron's number is ``sigmoid(w · a + b)``. In the library it is a network of one neuron; here
# are its answers to the digits on which it is most and least excited.

net = fw.Network([784, 1], output="sigmoid", dtype=np.float64, input_scale=1 / 255)
net.weights[0], net.biases[0] = weights.reshape(1, 784), [bias]

assert np.isclose(net(test.images[3])[0], sigmoid(weighted_sum(image)))
activation = net(test.images)[:, 0]
order = np.argsort(activation)
fig, axes = plt.subplots(2, 8, figsize=(8, 2.4), layout="constrained")
for row, chosen in zip(axes, (order[::-1][:8], order[:8])):
    for ax, i in zip(row, chosen):
        ax.imshow(test.images[i].reshape(28, 28), cmap="gray_r")
        ax.set_title(f"{activation[i]:.2f}", fontsize=8)
        ax.axis("off")

# %%
# This neuron was made by hand, and for one purpose. A network is many of them, and nobody sets
# their weights: it finds them by itself.

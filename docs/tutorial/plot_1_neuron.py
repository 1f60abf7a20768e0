"""
1. A neuron
===========

An image of a handwritten digit, 28 by 28 pixels, is 784 numbers: the brightness of each pixel, from
0 to 1. A neural network turns these 784 numbers into one of ten answers. Its parts are very simple:
**a neuron is a number**, computed from other numbers.
"""

import matplotlib.pyplot as plt
import numpy as np

import featherweight as fw

train, test = fw.data.digits()  # 12,000 digits from the package
image = test.images[3] / 255  # (784,) numbers from 0 to 1
print(image.shape, image.min(), image.max(), "a", test.labels[3])

plt.figure(figsize=(3, 3))
plt.imshow(image.reshape(28, 28), cmap="gray_r")
plt.title(f"784 numbers, drawn as a {test.labels[3]}")
plt.axis("off")

# %%
# A neuron multiplies each input by a weight, adds the products, and adds the *bias*, a number of
# its own. The bias sets how large the sum must be before the neuron becomes active. Suppose that
# a neuron should detect a horizontal stroke across the middle of the image. We set its weights to
# 1 there, and to -1 just above and below. Bright pixels in the stroke then increase the sum, and
# bright pixels around it decrease the sum.

weights = np.zeros((28, 28))
weights[13:16, 9:19] = 1
weights[10:12, 9:19] = weights[17:19, 9:19] = -1
bias = -6.0


def weighted_sum(image):
    return np.sum(weights.ravel() * image) + bias


print(f"weighted sum: {weighted_sum(image):.2f}")

# %%
# The sum can be any number. The last step applies an *activation function*. The **sigmoid** maps
# very negative sums to nearly 0 and very positive sums to nearly 1. A simpler function is more
# common today: the rectified linear unit or **relu**. It keeps positive sums and replaces
# negative ones by 0.


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def relu(z):
    return np.maximum(z, 0)


z = np.linspace(-6, 6, 200)
fig, axes = plt.subplots(1, 2, figsize=(7, 2.4), layout="constrained")
for ax, f in zip(axes, (sigmoid, relu)):
    ax.plot(z, f(z), "k")
    ax.set(title=f.__name__, xlabel="weighted sum", ylabel="activation")

# %%
# So the activation of a neuron is ``sigmoid(w · a + b)``. In the library, this is a network with
# one neuron. The next figure shows sixteen digits and the neuron's activations. The weighted sums
# *z* of these digits fall in equal steps from 6 to -6.

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
# The neuron detects strokes across the middle. This separates some digits from others: many
# images of 3, 4, 5 and 9 have such a stroke, no 0 has one, and hardly any 1 or 7.

excited = [np.mean(activation[test.labels == digit] > 0.5) for digit in range(10)]
for digit, share in enumerate(excited):
    print(f"{digit}: {share:.1%} excite it")
assert min(excited[digit] for digit in (3, 4, 5, 9)) > 0.3
assert max(excited[digit] for digit in (0, 1, 7)) < 0.02

# %%
# We chose the weights of this neuron by hand, for one purpose. A network has many neurons, and
# nobody sets their weights: the network learns them.

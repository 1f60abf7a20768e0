"""
4. Inside the hidden layers
===========================

Row *j* of the first matrix has one weight for each pixel. So we can draw it as an image, which
shows what neuron *j* responds to. One might expect edges here, and loops and strokes in the next
layer.
"""

import matplotlib.pyplot as plt
import numpy as np

import featherweight as fw

train, test = fw.data.digits()


def trained(optimizer):
    """Return 784-16-16-10 after twenty epochs, and print its accuracy."""
    net = fw.Network([784, 16, 16, 10], "sigmoid", "softmax", input_scale=1 / 255, rng=0)
    net.fit(train.images, train.labels, epochs=20, optimizer=optimizer, rng=0)
    print(f"{net.score(test.images, test.labels):.1%} classified correctly")
    return net


net = trained(fw.Adam(3e-3))
fw.plot.weights(net)

# %%
# A few neurons respond to a short slanted stroke: neurons 5 and 11 to a bright one, and neuron 13
# to a dark one. There are no loops, and the other weights form irregular patches. The largest
# weights are in bars along the border, where digits hardly ever reach. Is this a failure? The
# network classifies nine of ten new digits correctly. Many settings of the 13,002 parameters do
# so. Gradient descent finds one of them near its starting point, and nothing in the task requires
# features that people recognise.

pictures = net.weights[0].reshape(16, 28, 28)
spread = pictures[:, 6:22, 6:22].std()


def blob(image, start):
    """The pixels of a mask that are connected with the starting pixel."""
    found, ahead = set(), [start]
    while ahead:
        r, c = at = ahead.pop()
        if at not in found and 0 <= r < 28 and 0 <= c < 28 and image[at]:
            found.add(at)
            ahead += [(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return found


def stroke(picture, start):
    """The ratio of length to width of a blob of large weights, and its slope in degrees."""
    assert picture[start] > 2 * spread
    row, column = np.array(sorted(blob(picture > 2 * spread, start))).T
    # the axes of an ellipse with the same covariance as the blob
    (narrow, wide), axes = np.linalg.eigh(np.cov(column, -row))
    return np.sqrt(wide / narrow), np.degrees(np.arctan(axes[1, 1] / axes[0, 1]))


for j, sign, start in ((5, 1, (15, 6)), (11, 1, (11, 7)), (13, -1, (16, 8))):
    length, slope = stroke(sign * pictures[j], start)
    print(f"neuron {j}: {length:.1f} times as long as wide, rising by {slope:.0f} degrees")
    assert length > 3
    assert 10 < (slope if sign > 0 else -slope) < 35

# %%
# Why are the largest weights near the border? We measure the size of the weights by the distance
# of their pixel from the border, and how often these pixels have ink. For comparison, we train
# the same network with plain gradient descent.

plain = trained(fw.SGD(0.3))
row, column = np.indices((28, 28))
distance = np.minimum.reduce([row, column, 27 - row, 27 - column]).ravel()
share = (train.images > 0).mean(axis=0)  # the fraction of images with ink at a pixel


def size(network, pixels):
    """The root mean square of all weights from some of the pixels."""
    return np.sqrt(np.mean(network.weights[0][:, pixels] ** 2))


rings = range(14)
by_adam, by_sgd = ([size(n, distance == r) for r in rings] for n in (net, plain))
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
left.plot(rings, by_adam, "ko-", label="Adam")
left.plot(rings, by_sgd, "k^--", label="SGD")
left.set(xlabel="pixels from the border", ylabel="size of the weights", ylim=(0, None))
left.legend()
right.plot(rings, [share[distance == r].mean() for r in rings], "ko-")
right.set(xlabel="pixels from the border", ylabel="fraction of images with ink", ylim=(0, 1))

rare, common = (share > 0.01) & (share < 0.05), share > 0.5
print(f"pixels with ink in 1 to 5% of images: {size(net, rare):.2f} by Adam,", end=" ")
print(f"{size(plain, rare):.2f} by SGD")
print(f"in more than half of the images: {size(net, common):.2f} and {size(plain, common):.2f}")
assert np.argmax(by_adam) in (2, 3)
assert max(by_adam) > 1.5 * max(by_adam[8:])
assert size(net, rare) > 2 * size(net, common)
assert size(plain, rare) < size(plain, common)

# %%
# Adam is the cause. Plain gradient descent changes a weight in proportion to its gradient. If a
# pixel is blank in most images, the gradients of its weights are nearly always 0, so these
# weights change little. Adam divides each step by the typical size of the weight's own gradients.
# Therefore weights that are rarely used change as much as others when they are used. The network
# trained with Adam classifies more of the training images correctly, but fewer of the new images.

for name, found in (("Adam", net), ("SGD", plain)):
    print(f"{name}: {found.score(*train):.1%} of the training images, ", end="")
    print(f"{found.score(*test):.1%} of the new images")
assert net.score(*train) > plain.score(*train)
assert plain.score(*test) > net.score(*test) + 0.01

# %%
# Where there is never any ink, the gradient of every weight is 0. These weights still have their
# random initial values: the even grey in the corners.

unused = share == 0
begun = fw.Network([784, 16, 16, 10], "sigmoid", "softmax", input_scale=1 / 255, rng=0)
print(unused.sum(), "pixels of 784 are blank in all training images")
assert (net.weights[0][:, unused] == begun.weights[0][:, unused]).all()

# %%
# We can measure the structure in the middle: how similar the weights of neighbouring pixels are.


def smoothness(images):
    """The correlation of neighbouring pixels, 1 for smooth pictures, about 0 for noise."""
    middle = images[:, 6:22, 6:22]
    pairs = [middle[:, :, :-1].ravel(), middle[:, :, 1:].ravel()]
    return np.corrcoef(pairs)[0, 1]


digits = smoothness(test.images.reshape(-1, 28, 28).astype(float))
sought, untrained = smoothness(pictures), smoothness(begun.weights[0].reshape(16, 28, 28))
print(f"the digits          {digits:.2f}")
print(f"the weights         {sought:.2f}")
print(f"before training     {untrained:.2f}")
assert untrained < 0.05 < 0.5 < sought < digits

# %%
# Weights of neighbouring pixels have become similar, nearly as similar as the pixels of the digits
# themselves.
#
# The weights of the other layers can't be drawn as images. Instead we can search for the input
# that excites a neuron most, by gradient ascent from a blank image, with a penalty on large
# pixels. These are the results for the second hidden layer, where one might expect loops:

second = np.array([fw.looking.excite(net, 1, j) for j in range(16)])
fig, axes = plt.subplots(2, 8, figsize=(9, 2.6), layout="constrained")
for j, ax in enumerate(axes.flat):
    ax.imshow(second[j].reshape(28, 28), cmap="gray_r")
    ax.set_title(j, fontsize=8)
    ax.axis("off")


def pieces(images):
    """The number of connected pieces of ink in each image, above half of its maximum."""
    counts = []
    for image in images.reshape(-1, 28, 28):
        ink = image > image.max() / 2
        left = set(zip(*np.nonzero(ink), strict=True))
        counts.append(0)
        while left:
            left -= blob(ink, next(iter(left)))
            counts[-1] += 1
    return counts


specks, whole = pieces(second), pieces(test.images[:200])
print("pieces in each neuron's image:", *specks)
print(f"pieces in a digit: {np.mean(whole):.2f}")
excited = net.activations(second)[2].diagonal()
assert excited.min() > 0.99
assert min(specks) >= 10
assert np.mean(whole) < 1.1

# %%
# Each of these images excites its neuron nearly to 1, the maximum of the sigmoid. None of them
# has a loop. Their ink consists of ten pieces or more, while the ink of a digit is one piece. The
# same search for the outputs gives the network's ideal image of each digit.

ideal = np.array([fw.looking.excite(net, -1, digit) for digit in range(10)])
sure = net(ideal).max(axis=1)
print("read as", net.predict(ideal), "with", np.round(sure, 2))
assert (net.predict(ideal) == np.arange(10)).all()
assert sure.min() > 0.99
fig, axes = plt.subplots(1, 10, figsize=(9, 1.2), layout="constrained")
for digit, ax in enumerate(axes):
    ax.imshow(ideal[digit].reshape(28, 28), cmap="gray_r")
    ax.set_title(digit, fontsize=8)
    ax.axis("off")

# %%
# The network is almost certain of each of these images, but no person would recognise a digit. The
# network can tell digits apart, but it has not learned to draw them.

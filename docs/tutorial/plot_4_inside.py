"""
4. What the hidden layers look for
==================================

Row *j* of the first matrix has one weight for each pixel, so that it can be drawn as a picture:
what neuron *j* looks for. One hopes for edges, and in the next layer for loops and strokes. Let
us look.
"""

import matplotlib.pyplot as plt
import numpy as np

import featherweight as fw

train, test = fw.data.digits()


def trained(optimizer):
    """Return 784-16-16-10 after twenty epochs, and print what it reads."""
    net = fw.Network([784, 16, 16, 10], "sigmoid", "softmax", input_scale=1 / 255, rng=0)
    net.fit(train.images, train.labels, epochs=20, optimizer=optimizer, rng=0)
    print(f"{net.score(test.images, test.labels):.1%} read rightly")
    return net


net = trained(fw.Adam(3e-3))
fw.plot.weights(net)

# %%
# A few neurons do seek, or shun, a short slanted stroke: 5 and 11 one that is bright, 13 one that
# is dark. There are no loops, and the rest is blots and specks. And the strongest weights of all
# stand in bars along the rim, where digits hardly ever reach. Is that a failure? It reads nine of
# ten digits it has never seen. Of all settings of 13,002 knobs that do so, gradient descent found
# one that was near; nothing in the task asked for tidy parts.

pictures = net.weights[0].reshape(16, 28, 28)
spread = pictures[:, 6:22, 6:22].std()


def blob(image, start):
    """The pixels of a mask that hang together with one of them."""
    found, ahead = set(), [start]
    while ahead:
        r, c = at = ahead.pop()
        if at not in found and 0 <= r < 28 and 0 <= c < 28 and image[at]:
            found.add(at)
            ahead += [(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return found


def stroke(picture, start):
    """How many times longer than wide a blob of large weights is, and its slope in degrees."""
    assert picture[start] > 2 * spread
    row, column = np.array(sorted(blob(picture > 2 * spread, start))).T
    # the axes of the ellipse that is spread as the blob is
    (narrow, wide), axes = np.linalg.eigh(np.cov(column, -row))
    return np.sqrt(wide / narrow), np.degrees(np.arctan(axes[1, 1] / axes[0, 1]))


for j, sign, start in ((5, 1, (15, 6)), (11, 1, (11, 7)), (13, -1, (16, 8))):
    length, slope = stroke(sign * pictures[j], start)
    print(f"neuron {j}: {length:.1f} times longer than wide, rising by {slope:.0f} degrees")
    assert length > 3
    assert 10 < (slope if sign > 0 else -slope) < 35

# %%
# Why the rim? Let us measure how large weights are by their pixel's distance from the border, and
# how often such pixels carry any ink; and train the same network once more by plain gradient
# descent.

plain = trained(fw.SGD(0.3))
row, column = np.indices((28, 28))
distance = np.minimum.reduce([row, column, 27 - row, 27 - column]).ravel()
share = (train.images > 0).mean(axis=0)  # of the images that have ink at a pixel


def size(network, pixels):
    """The root of the mean square of all weights from some of the pixels."""
    return np.sqrt(np.mean(network.weights[0][:, pixels] ** 2))


rings = range(14)
by_adam, by_sgd = ([size(n, distance == r) for r in rings] for n in (net, plain))
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
left.plot(rings, by_adam, "ko-", label="Adam")
left.plot(rings, by_sgd, "k^--", label="SGD")
left.set(xlabel="pixels from the border", ylabel="size of the weights", ylim=(0, None))
left.legend()
right.plot(rings, [share[distance == r].mean() for r in rings], "ko-")
right.set(xlabel="pixels from the border", ylabel="share of images with ink", ylim=(0, 1))

rare, common = (share > 0.01) & (share < 0.05), share > 0.5
print(f"pixels with ink in 1 to 5% of images: {size(net, rare):.2f} by Adam,", end=" ")
print(f"{size(plain, rare):.2f} by SGD")
print(f"in more than half of the images: {size(net, common):.2f} and {size(plain, common):.2f}")
assert np.argmax(by_adam) in (2, 3)
assert max(by_adam) > 1.5 * max(by_adam[8:])
assert size(net, rare) > 2 * size(net, common)
assert size(plain, rare) < size(plain, common)

# %%
# It is Adam's doing. Plain descent moves a weight by its gradient, and the weight of a pixel that
# is blank in most images gets hardly any: what it finds fades towards the rim. Adam divides each
# step by the usual size of that very weight's gradient, so that a weight seldom called upon goes as
# far as others when it is. Of the images learned from, that network reads more; of those never
# seen, the other does.

for name, found in (("Adam", net), ("SGD", plain)):
    print(f"{name}: {found.score(*train):.1%} of the training images, ", end="")
    print(f"{found.score(*test):.1%} of the others")
assert net.score(*train) > plain.score(*train)
assert plain.score(*test) > net.score(*test) + 0.01

# %%
# And where there never is any ink, no weight has had a reason to move. Those are still as they were
# drawn at random: the even grey of the corners.

unused = share == 0
begun = fw.Network([784, 16, 16, 10], "sigmoid", "softmax", input_scale=1 / 255, rng=0)
print(unused.sum(), "pixels of 784 are blank in all training images")
assert (net.weights[0][:, unused] == begun.weights[0][:, unused]).all()

# %%
# What structure there is in the middle can be put in a number: how alike the weights of
# neighbouring pixels are.


def smoothness(images):
    """The correlation of neighbouring pixels, 1 for smooth pictures, about 0 for noise."""
    middle = images[:, 6:22, 6:22]
    pairs = [middle[:, :, :-1].ravel(), middle[:, :, 1:].ravel()]
    return np.corrcoef(pairs)[0, 1]


digits = smoothness(test.images.reshape(-1, 28, 28).astype(float))
sought, untrained = smoothness(pictures), smoothness(begun.weights[0].reshape(16, 28, 28))
print(f"the digits          {digits:.2f}")
print(f"what neurons seek   {sought:.2f}")
print(f"before training     {untrained:.2f}")
assert untrained < 0.05 < 0.5 < sought < digits

# %%
# Neighbours have become alike, nearly as much as in the digits themselves, where a pixel is dark
# when the next one is.
#
# The other layers can't be drawn as pictures, but asked: which input excites a neuron most? Going
# uphill from a blank image, with a penalty on large pixels, finds one. Of the second hidden layer,
# where one hoped for loops:

second = np.array([fw.looking.excite(net, 1, j) for j in range(16)])
fig, axes = plt.subplots(2, 8, figsize=(9, 2.6), layout="constrained")
for j, ax in enumerate(axes.flat):
    ax.imshow(second[j].reshape(28, 28), cmap="gray_r")
    ax.set_title(j, fontsize=8)
    ax.axis("off")


def pieces(images):
    """Into how many pieces the ink of each image falls, at half of its darkest."""
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
print("each neuron's image is in pieces:", *specks)
print(f"a digit's ink is in {np.mean(whole):.2f}")
excited = net.activations(second)[2].diagonal()
assert excited.min() > 0.99
assert min(specks) >= 10
assert np.mean(whole) < 1.1

# %%
# Each of these excites its neuron as far as a sigmoid goes, and none has a loop: their ink falls
# into ten pieces or more, where a digit's is in one. The same question to the outputs gives the
# network's idea of each digit.

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
# The network is quite sure of each of these. None would be taken for a digit by anybody else: it
# can tell digits apart, and has no idea how to draw one.

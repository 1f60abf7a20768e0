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
strokes = {5: np.s_[13:17, 4:10], 11: np.s_[10:14, 4:11], 13: np.s_[14:18, 5:12]}
mean = {j: pictures[j][where].mean() for j, where in strokes.items()}
spread = pictures[:, 6:22, 6:22].std()
for j, weight in mean.items():
    print(f"neuron {j}: the stroke's mean weight is {weight / spread:+.1f} standard deviations")
assert min(mean[5], mean[11]) > 2 * spread
assert mean[13] < -1.5 * spread

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
# The other layers can't be drawn as pictures, but asked: which input excites an output neuron most?
# Going uphill from a blank image, with a penalty on large pixels, gives the network's idea of each
# digit.

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

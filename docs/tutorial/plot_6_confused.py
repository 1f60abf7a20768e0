"""
6. Confusing the network
========================

A network that classifies nine of ten digits correctly seems to know what a digit is. It doesn't.
It has learned to distinguish ten kinds of images, all of them centred and of the same size. It
has seen nothing else, and it can't answer "this is not a digit".
"""

import matplotlib.pyplot as plt
import numpy as np

import featherweight as fw

train, test = fw.data.digits()
net = fw.Network([784, 16, 16, 10], "relu", "softmax", input_scale=1 / 255, rng=0)
net.fit(train.images, train.labels, epochs=20, optimizer=fw.Adam(3e-3), rng=0)
print(f"{net.score(test.images, test.labels):.1%} classified correctly")
rng = np.random.default_rng(0)

# %%
# We can measure how uniform the images are. The longer side of nearly every digit is 20 pixels,
# and the centre of its ink is within half a pixel of the same place.

images = test.images.reshape(-1, 28, 28)
row, column = np.indices((28, 28))
ink = images.sum(axis=(1, 2), dtype=float)
middle = np.stack([(images * at).sum(axis=(1, 2), dtype=float) / ink for at in (row, column)])
sides = [[np.ptp(np.flatnonzero(image.any(axis=i))) + 1 for i in (0, 1)] for image in images]
print(f"20 pixels long: {np.mean(np.max(sides, axis=1) == 20):.2%}")
print(f"the centre of the ink is at most {np.abs(middle - 14).max():.2f} pixels off")
assert np.mean(np.max(sides, axis=1) == 20) > 0.99
assert np.abs(middle - 14).max() < 0.51

# %%
# Noise. These images show nothing, but the network reports digits:

noise = rng.integers(0, 256, (2000, 784), dtype=np.uint8)
sure = net(noise).max(axis=1)
print(f"{np.mean(sure > 0.9):.0%} of 2,000 images of noise are a digit, with 90% or more")
print("which digits:", np.bincount(net.predict(noise), minlength=10))
assert np.mean(sure > 0.9) > 0.8

# %%
# Shifted digits. For people, a digit stays the same if it moves a few pixels to the right. For the
# first layer, every pixel changes.

shifts = range(9)
scores = [net.score(np.roll(images, s, axis=2).reshape(-1, 784), test.labels) for s in shifts]
fig, ax = plt.subplots(figsize=(5, 2.6), layout="constrained")
ax.plot(shifts, scores, "ko-")
ax.axhline(0.1, color="0.6", ls=":")
ax.set(xlabel="pixels to the right", ylabel="accuracy", ylim=(0, 1))
assert scores[6] < 0.5 < 0.85 < scores[0]

# %%
# No digit at all: a blank image, a black one, a cross, a frame.

others = np.zeros((4, 28, 28), np.uint8)
others[1] = 255
others[2][np.arange(28), np.arange(28)] = others[2][np.arange(28), 27 - np.arange(28)] = 255
others[3][4:24, 4:24] = 255
others[3][7:21, 7:21] = 0
answers = net(others.reshape(4, 784))
assert (answers[1:].max(axis=1) > 0.9).all()
fig, axes = plt.subplots(1, 4, figsize=(6, 1.9), layout="constrained")
for ax, picture, answer in zip(axes, others, answers):
    ax.imshow(picture, cmap="gray_r", vmin=0, vmax=255)
    ax.set_title(f"{answer.argmax()}, {answer.max():.0%} sure", fontsize=9)
    ax.set(xticks=[], yticks=[])

# %%
# The network takes all of these for digits, and except for the blank image it is nearly certain.
# The ten outputs of a softmax always add up to one. So the confidence is a share among the ten
# digits, not the probability of being right. The remedy is to train on images like those that the
# network will see later. With images shifted at random in each epoch, the same small network
# learns to tolerate shifts.

hardened = fw.Network([784, 16, 16, 10], "relu", "softmax", input_scale=1 / 255, rng=0)
adam = fw.Adam(3e-3)
pixels = train.images.reshape(-1, 28, 28)
for _ in range(40):
    shifted = np.empty_like(pixels)
    by = rng.integers(-4, 5, len(pixels))
    for s in range(-4, 5):
        shifted[by == s] = np.roll(pixels[by == s], s, axis=2)
    hardened.partial_fit(shifted.reshape(-1, 784), train.labels, optimizer=adam)
for s in (0, 2, 4):
    moved = np.roll(images, s, axis=2).reshape(-1, 784)
    after = hardened.score(moved, test.labels)
    print(f"{s} pixels: {scores[s]:.1%} before, {after:.1%} after")
    assert after > 0.9

"""784-1024-1024-10 and images that are never the same twice, on the whole of MNIST.

python examples/simard.py        # needs SciPy

Simard, Steinkraus and Platt ("Best practices for convolutional neural networks applied to visual
document analysis", ICDAR 2003) read 99.3 % rightly with two dense layers by showing the network,
in every epoch, each digit anew: shifted, turned, stretched and distorted as if it were drawn on
rubber. A thread distorts the next epoch's images while this one's are trained on. The full set is
looked for where `featherweight.data.mnist` looks: FEATHERWEIGHT_DATA or the cache.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.ndimage import map_coordinates

import featherweight as fw

EPOCHS, GOAL = 100, 0.993
SHIFT, ANGLE, STRETCH = 1.0, 15.0, 0.15  # at most: pixels, degrees, a part of the size
SIGMA, ALPHA = 4.0, 34.0  # of the rubber: how far neighbours go together, and how much they move

# a pixel's distance from the middle; and a Gaussian, as a matrix that blurs along one axis
PLACE = np.arange(28, dtype=np.float32) - 13.5
BLUR = np.exp(-0.5 * ((PLACE[:, None] - PLACE) / SIGMA) ** 2) / (SIGMA * np.sqrt(2 * np.pi))
BLUR = BLUR.astype(np.float32)


def distort(images, rng):
    """Return (n, 784) uint8 images, each distorted in a way of its own."""
    n = len(images)
    noise = rng.uniform(-1, 1, (n, 2, 28, 28)).astype(np.float32)
    rubber = ALPHA * (BLUR @ noise @ BLUR)  # displacements down and to the right
    angle = np.deg2rad(rng.uniform(-ANGLE, ANGLE, (n, 1, 1)))
    size = rng.uniform(1 - STRETCH, 1 + STRETCH, (2, n, 1, 1))
    shift = rng.uniform(-SHIFT, SHIFT, (2, n, 1, 1))
    down, right = PLACE[:, None], PLACE[None, :]
    rows = (np.cos(angle) * down + np.sin(angle) * right) * size[0] + shift[0] + rubber[:, 0]
    columns = (np.cos(angle) * right - np.sin(angle) * down) * size[1] + shift[1] + rubber[:, 1]
    image = np.broadcast_to(np.arange(n)[:, None, None], rows.shape)
    # between four pixels, by how near they are; black beyond the edge
    at = (image, rows + 13.5, columns + 13.5)
    return map_coordinates(images.reshape(n, 28, 28), at, order=1).reshape(n, 784)


def distorted(images, epoch):
    """Return an epoch's images, made some at a time to stay in the cache."""
    rng = np.random.default_rng(epoch)
    return np.concatenate([distort(images[i : i + 100], rng) for i in range(0, len(images), 100)])


def main():
    train, test = fw.data.mnist()
    begin = time.perf_counter()
    net = fw.Network([784, 1024, 1024, 10], input_scale=1 / 255, rng=0)
    adam = fw.Adam(1e-3, schedule=fw.schedules.CosineAnnealingLR(EPOCHS))
    with ThreadPoolExecutor(1) as pool:
        images = pool.submit(distorted, train.images, 0)
        for epoch in range(EPOCHS):
            x = images.result()
            if epoch + 1 < EPOCHS:
                images = pool.submit(distorted, train.images, epoch + 1)
            net.partial_fit(x, train.labels, batch_size=128, optimizer=adam, dropout=0.2)
            if epoch % 10 == 9:
                print(f"epoch {epoch + 1}: {net.score(test.images, test.labels):.2%}", flush=True)
    accuracy, seconds = net.score(test.images, test.labels), time.perf_counter() - begin
    print(f"784-1024-1024-10: {accuracy:.2%} (theirs: {GOAL:.2%}) in {seconds:.0f} s")


if __name__ == "__main__":
    main()

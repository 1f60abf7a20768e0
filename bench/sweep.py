"""Widths, depths and batches: our time beside the fastest peer's, as a heat map.

    python bench/sweep.py [--quick] [--peers NumPy ...] [--json FILE] [--plot FILE] [--readme]

One thread, relu, float32. For each network (one to eight hidden layers of one width) and batch the
libraries take turns, as in peers.py. Printed: where a peer is ahead, and where our own speed drops
below two thirds of both neighbours'.
"""

import argparse
import json
from pathlib import Path

import libraries
import peers
import report
from workloads import Workload

WIDTHS = (1, 2, 4, 8, 16, 17, 31, 32, 61, 64, 100, 127, 128, 256, 257, 512, 1024, 2048)
BATCHES = (1, 2, 3, 7, 16, 32, 61, 128, 512, 4096)
DEPTHS = (1, 2, 4, 8)
QUICK_WIDTHS, QUICK_BATCHES = (4, 16, 61, 128, 512), (1, 3, 16, 128, 1024)
LARGEST = 40e9  # floating-point operations of one call: beyond it a cell says nothing new


def cells(quick: bool) -> list[Workload]:
    """Return all widths by all batches at depth 2, then depths at two widths."""
    widths, batches = (QUICK_WIDTHS, QUICK_BATCHES) if quick else (WIDTHS, BATCHES)
    shapes = [(w, 2, b) for w in widths for b in batches]
    if not quick:
        shapes += [(w, d, b) for d in DEPTHS if d != 2 for w in (16, 256) for b in (1, 32, 512)]
    found = []
    for width, depth, batch in shapes:
        sizes = (width,) * (depth + 2)
        key = f"{width}x{depth}x{batch}"
        w = Workload(key, key, "forward", sizes, "relu", "identity", batch)
        if w.flops <= LARGEST:
            found.append(w)
    return found


def ratios(results: dict) -> dict[str, tuple[float, str, float]]:
    """Return for each cell: fastest peer's time over ours, its name, and our FLOP/s."""
    found = {}
    for key, one in results.items():
        times = {n: v["least"] for n, v in one["libraries"].items() if "least" in v}
        ours = times.pop("featherweight", None)
        if ours and times:
            name = min(times, key=lambda n: times[n])
            found[key] = times[name] / ours, name, one["flops"] / ours
    return found


def behind(found: dict) -> list[str]:
    """Return the cells in which a peer is ahead."""
    return [f"{key}: {ratio:.2f} ({name})" for key, (ratio, name, _) in found.items() if ratio < 1]


def sagging(found: dict) -> list[str]:
    """Return the cells whose speed is under two thirds of that of both neighbouring widths."""
    lines = {}
    for key, (_, _, speed) in found.items():
        width, depth, batch = map(int, key.split("x"))
        lines.setdefault((depth, batch), []).append((width, speed))
    drops = []
    for (depth, batch), points in lines.items():
        points.sort()
        for before, here, after in zip(points, points[1:], points[2:], strict=False):
            if here[1] < 2 / 3 * min(before[1], after[1]):
                share = here[1] / min(before[1], after[1])
                drops.append(f"{here[0]}x{depth}x{batch}: {share:.2f} of its neighbours' speed")
    return drops


def markdown(found: dict, versions: str) -> str:
    """Return the README's sentence on a sweep."""
    values = sorted(ratio for ratio, _, _ in found.values())
    lines = behind(found)
    slower = f"; in the others it takes up to {1 / values[0]:.2f} times as long" if lines else ""
    return (
        f"`python bench/sweep.py`, one thread, {len(found)} networks and batches (widths 1 to "
        f"2048, one to eight hidden layers, 1 to 4096 rows), beside {versions}: featherweight is "
        f"the fastest in {len(found) - len(lines)}{slower}. In half of them the fastest peer takes "
        f"more than {values[len(values) // 2]:.1f} times as long.\n\n"
        "![the fastest peer's time over featherweight's, by width and rows](bench/sweep.png)"
    )


def plot(found: dict, path: Path) -> None:
    """Draw the ratios of depth 2, batches down and widths across."""
    import matplotlib.pyplot as plt
    import numpy as np

    shapes = [tuple(map(int, key.split("x"))) for key in found]
    widths = sorted({w for w, d, _ in shapes if d == 2})
    batches = sorted({b for _, d, b in shapes if d == 2})
    values = np.array(
        [[found.get(f"{w}x2x{b}", (np.nan,))[0] for w in widths] for b in batches], float
    )
    figure, axes = plt.subplots(figsize=(11, 6), layout="constrained")
    # its brightness rises with the ratio, so that it is read in grey and by the colour-blind, too
    image = axes.imshow(np.log2(values), cmap="cividis", vmin=-3, vmax=3, aspect="auto")
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            if value == value:
                colour = "white" if value < 1 else "black"
                axes.text(j, i, f"{value:.1f}", ha="center", va="center", size=8, color=colour)
    axes.set_xticks(range(len(widths)), widths)
    axes.set_yticks(range(len(batches)), batches)
    axes.set_xlabel("width (three layers)")
    axes.set_ylabel("rows")
    axes.set_title("the fastest peer's time over featherweight's, one thread, float32")
    figure.colorbar(image, label="log2 of the ratio: above 0, featherweight is ahead")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer cells")
    parser.add_argument(
        "--peers", nargs="+", default=["NumPy", "PyTorch", "ONNX Runtime"], metavar="LIBRARY",
        choices=libraries.LIBRARIES,
    )  # fmt: skip
    parser.add_argument("--json", type=Path, help="write all numbers there")
    parser.add_argument("--plot", type=Path, help="draw the heat map there (needs matplotlib)")
    parser.add_argument("--readme", action="store_true", help="fill in the README's sentence")
    args = parser.parse_args()
    names = ["featherweight", *(n for n in args.peers if libraries.version(n))]
    workers = [peers.Worker(n, 1) for n in names]
    results = {}
    try:
        for w in cells(args.quick):
            found = peers.take_turns(workers, w, 0.02, 4)
            results[w.key] = {**found, "flops": w.flops}
    finally:
        for one in workers:
            one.close()
    found = ratios(results)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    if args.plot:
        plot(found, args.plot)
    versions = ", ".join(f"{n} {libraries.version(n)}" for n in names[1:])
    print(f"featherweight {libraries.version(names[0])}, {versions}")
    if args.readme:
        readme = Path(__file__).resolve().parents[1] / "README.md"
        report.fill("sweep", markdown(found, versions), readme)
    for title, lines in (("a peer is ahead", behind(found)), ("our speed drops", sagging(found))):
        print(f"{title}: {len(lines)} of {len(found)}")
        print(*(f"    {line}" for line in lines), sep="\n")


if __name__ == "__main__":
    main()

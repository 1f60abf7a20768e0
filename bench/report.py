"""What a comparison found, as a table, a plot and the README's section."""

import platform
import re
from pathlib import Path

from workloads import WORKLOADS, Workload

ABOVE = "the limits, measured several times more, stayed below what was reached"


def human(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def reading_rate(limit: dict, threads: int) -> float:
    """Return so many threads' bytes/s of a stored limit; a single rate is one thread's."""
    reading = limit["bytes"]
    if not isinstance(reading, dict):  # as earlier versions stored it
        reading = {"1": reading}
    if str(threads) not in reading:
        raise ValueError(
            f"limit: expected the bytes/s that {threads} threads read, found those of "
            f"{', '.join(reading)}: time these workloads anew"
        )
    return reading[str(threads)]


def share(w: Workload, seconds: float, limit: dict, threads: int) -> tuple[float, str]:
    """Return the share of the machine's limit, and which limit: the multiply-adds' or reading's."""
    from featherweight.cli import _timing  # here, since the peers' processes don't need it

    if w.rows > 1:
        return _timing.share(w.flops, 0.0, _timing.Rates(limit["flops"], {}), threads, seconds)
    rates = _timing.Rates(limit["flops"], {threads: reading_rate(limit, threads)})
    return _timing.share(w.flops, w.weight_bytes, rates, threads, seconds)  # each weight once


def rows(results: dict) -> list[dict]:
    """One entry for each workload and number of threads."""
    found = []
    for key, by_threads in results["workloads"].items():
        for threads, one in by_threads.items():
            times = {n: v["least"] for n, v in one["libraries"].items() if "least" in v}
            ours = times.pop("featherweight", None)
            if ours is None:
                continue
            fraction, which = share(WORKLOADS[key], ours, one["limit"], int(threads))
            single = (
                by_threads.get("1", {}).get("libraries", {}).get("featherweight", {}).get("least")
            )
            found.append(
                {
                    "title": WORKLOADS[key].title,
                    "threads": int(threads),
                    "ours": ours,
                    "peers": {
                        n: t / ours for n, t in sorted(times.items(), key=lambda item: item[1])
                    },
                    "share": fraction,
                    "limit": which,
                    "scaling": single / ours if single and threads != "1" else None,
                }
            )
    return found


def text(results: dict) -> str:
    """Return a table: our least time, and how many times as long each peer took."""
    lines = [f"{results['cpu']}, Python {results['python']}, {results['date']}"]
    lines.append(", ".join(f"{n} {v}" for n, v in results["versions"].items()))
    for row in rows(results):
        scaling = f", {row['scaling']:.2f}x one thread" if row["scaling"] else ""
        lines.append(
            f"\n{row['title']}, {row['threads']} thread(s): {human(row['ours'])}, "
            f"{row['share']:.0%} of the limit ({row['limit']}){scaling}"
        )
        lines += [f"    {ratio:6.2f}x  {name}" for name, ratio in row["peers"].items()]
    if any(row["share"] > 1 for row in rows(results)):
        lines.append(f"\nmore than 100%: {ABOVE}")
    for name, one in results.get("cold start", {}).items():
        lines.append(f"start of {name}: {human(one['least'])}, {one['kilobytes'] / 1024:.0f} MB")
    for key, by_threads in results["workloads"].items():
        for threads, one in by_threads.items():
            lines += [
                f"not timed: {name}, {key}, {threads} thread(s): {v['error']}"
                for name, v in one["libraries"].items()
                if "error" in v and v["error"] != "has no such thing"
            ]
    return "\n".join(lines)


def markdown(results: dict) -> str:
    """Return the README's table."""
    header = ["", "threads", "featherweight", "share of limit", "fastest peer takes", "then"]
    lines = [" | ".join(header), " | ".join(["---"] * len(header))]
    for row in rows(results):
        peers = [f"{ratio:.2f}x ({name})" for name, ratio in row["peers"].items()]
        lines.append(
            " | ".join(
                [
                    row["title"],
                    str(row["threads"]),
                    human(row["ours"]),
                    f"{row['share']:.0%} ({row['limit']})",
                    peers[0] if peers else "",
                    ", ".join(peers[1:3]),
                ]
            )
        )
    table = "\n".join(f"| {line} |" for line in lines)
    above = ""
    if any(row["share"] > 1 for row in rows(results)):
        above = f"\n\nMore than 100%: {ABOVE}."
    versions = ", ".join(f"{n} {v}" for n, v in results["versions"].items() if n != "featherweight")
    start = results.get("cold start", {})
    cold = ""
    if {"NumPy", "featherweight"} <= set(start):
        ours, numpy = start["featherweight"], start["NumPy"]
        cold = (
            f"\n\nA process that imports featherweight, builds a network and runs it takes "
            f"{(ours['least'] - numpy['least']) * 1e3:.0f} ms and "
            f"{(ours['kilobytes'] - numpy['kilobytes']) / 1024:.0f} MB more than one that imports "
            "NumPy and multiplies once."
        )
    return (
        f"`python bench/peers.py` on {results['cpu']}, Python {results['python']}, "
        f"{results['date']}; {versions}. Least of many repeats, all libraries in turn, float32.\n\n"
        f"{table}{above}{cold}"
    )


def cpu_name() -> str:
    """Return the processor's name and, since hypervisors leave that vague, family and model."""
    try:
        text = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
        about = dict(re.findall(r"^([^\t:]+)\t*: *(.*)$", text, re.M))
        return f"{about['model name']} (family {about['cpu family']}, model {about['model']})"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()


def fill(mark: str, text: str, path: Path) -> None:
    """Replace what stands between a document's marks of a name."""
    old = path.read_text(encoding="utf-8")
    new, n = re.subn(
        rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)",
        lambda m: m[1] + text + "\n" + m[2],
        old,
        flags=re.S,
    )
    if n != 1:
        raise ValueError(f"{path}: expected one pair of {mark} marks, found {n}")
    path.write_text(new, encoding="utf-8")


def plot(results: dict, path: Path) -> None:
    """Draw how many times as long each peer takes, on a logarithmic scale."""
    import matplotlib.pyplot as plt

    entries = rows(results)
    names = [n for n in results["versions"] if n != "featherweight"]
    figure, axes = plt.subplots(figsize=(9, 1 + 0.9 * len(entries)), layout="constrained")
    for i, name in enumerate(names):
        points = [(row["peers"][name], -j) for j, row in enumerate(entries) if name in row["peers"]]
        if points:
            x, y = zip(*points, strict=True)
            axes.scatter(x, [v - 0.06 * i for v in y], label=name, s=30)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks([-j for j in range(len(entries))])
    axes.set_yticklabels([f"{r['title']}, {r['threads']} thr." for r in entries])
    axes.set_xlabel("time relative to featherweight (right of the line: featherweight is ahead)")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)

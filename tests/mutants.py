"""JSON with one thing changed: what files that are damaged, or made by somebody else, may hold."""

import copy
import json

ODD = [
    None, True, False, -1, 0, 1, 2**53, 2**63 - 1, 2**63, 2**64, 2**70, -(2**40), 10**400,
    0.5, -7.0, float("nan"), float("inf"), -float("inf"),
    "", "a", "-1", "0x1p5000", "nan", "\ud800", [], {}, [[]], [1], ["a"], [None],
    {"array": "no"}, {"array": 3}, {"dict": []}, {"dict": {}}, {"_fit": 1},
    {"dict": {"_fit": 1}}, [["to_dict", [1]]], [["loss", [1.0]]],
]  # fmt: skip


def places(value, path=()):
    """Every place in nested lists and dicts, as the keys on the way to it."""
    if isinstance(value, (dict, list)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from places(part, (*path, key))


def mutant(record, rng):
    """A copy with a value deleted, exchanged, repeated or nested; and a name for it."""
    found = copy.deepcopy(record)
    where = list(places(found))
    path = where[rng.integers(len(where))]
    holder = found
    for key in path[:-1]:
        holder = holder[key]
    key, kind = path[-1], rng.integers(6)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    elif kind == 2 and isinstance(holder, dict):
        holder[f"{key}_"] = holder.pop(key)
    elif kind == 3:
        deep = int(rng.choice([1, 30, 900]))
        holder[key] = json.loads("[" * deep + "]" * deep)
    else:
        kind = int(rng.integers(len(ODD)))
        holder[key] = ODD[kind]
    return found, f"{path} by {kind}"

#!/usr/bin/env python3
"""Print the floors of docs/performance.md: what must be computed and moved, and the least time for it on a machine.

    python3 bench/floors.py                           (without times)
    python3 bench/floors.py BENCH.jsonl               (peaks from the lines of `make bench`)
    python3 bench/floors.py f32=344 int16=722 copy=26 (peaks by hand: milliards of operations, GB/s; "bf16 tiles=4200" too)

Arithmetic by definition is 2 a product, all taps. Winograd's filtering F(m, 3) along an axis takes (m + 2) products for m
outputs instead of 3 m: 144 / 864 with F(4) F(4) F(2), 216 / 1728 with F(4) F(4) F(4). It serves convolutions of stride 1.
Bytes: each layer reads its sources, writes its output once and reads its weights once; nothing is kept in a cache from
layer to layer, norms and activations ride along.
"""
import json, math, pathlib, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "peers"))
from spec import SPECS, convolutions

WAYS = {"direct": 1.0, "F(4)F(4)F(2)": 144 / 864, "F(4)F(4)F(4)": 216 / 1728}
# What is computed: network, patch, bytes a stored number, pass.
WORK = [
    ("n32", (128, 128, 128), "forward"),
    ("n32", (96, 96, 96), "training step"),
    ("default", (144, 176, 144), "forward"),
    ("default", (96, 96, 96), "training step"),
    ("nnunet", (144, 192, 160), "forward"),
]


def products(convs, share):
    """Operations if convolutions of stride 1 take that share of them."""
    return sum(c.flop() * (share if c.kind == "conv" else 1) for c in convs)


def moved(convs, width):
    return sum(width * c.values() + 4 * c.weights() for c in convs)


def peaks(file):
    """Operations and bytes a second on all threads, by the newest line of `bench peak`."""
    line = [l for l in map(json.loads, file.read_text().splitlines()) if l["name"] == "peak" and "arithmetic" in l][-1]
    rate = {r["precision"]: 1e9 * r["giga_per_second"]["median"] for r in line["arithmetic"] if r["threads"] == line["threads"]}
    memory = {m["traffic"]: 1e9 * m["gb_per_second"]["median"] for m in line["memory"] if m["threads"] == line["threads"]}
    return rate, memory


def told(words):
    """Peaks that were typed."""
    rate = {name: 1e9 * float(giga) for name, giga in (word.split("=") for word in words)}
    return rate, {"copy": rate["copy"]} if "copy" in rate else {}


def main():
    words = sys.argv[1:]
    rate, memory = peaks(pathlib.Path(words[0])) if words and "=" not in words[0] else told(words)
    head = ["work", "GFLOP by definition", *(f"after {way}" for way in list(WAYS)[1:]), "GB moved, f32", "GB moved, 16 bit"]
    times = [(way, precision) for way in list(WAYS)[1:] for precision in ("f32", "int16") if precision in rate]
    times += [("direct", "bf16 tiles")] if "bf16 tiles" in rate else []
    head += [f"least s, {way}, {precision}" for way, precision in times] + (["least s, memory, f32"] if memory else [])
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for name, patch, passed in WORK:
        convs = convolutions(SPECS[name], patch)
        # A step adds as much arithmetic for each of the two gradients, but nobody wants the image's; and each gradient
        # reads two of a layer's tensors and writes the third.
        times_over, less = (3, convs[0]) if passed == "training step" else (1, None)
        def total(of, *args):
            return times_over * of(convs, *args) - (of([less], *args) if less else 0)
        cells = [f"{name}, {' x '.join(map(str, patch))}, {passed}", f"{total(products, 1) / 1e9:.1f}"]
        cells += [f"{total(products, WAYS[way]) / 1e9:.1f}" for way in list(WAYS)[1:]]
        cells += [f"{total(moved, width) / 1e9:.2f}" for width in (4, 2)]
        for way, precision in times:
            cells.append("-" if passed == "training step" and precision != "f32" else f"{total(products, WAYS[way]) / rate[precision]:.3f}")
        if memory:
            cells.append(f"{total(moved, 4) / memory['copy']:.3f}")
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()

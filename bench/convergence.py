#!/usr/bin/env python3
"""Draw the trainings of `glioscope bench convergence --json` over each other.

    python3 bench/convergence.py CONVERGENCE.json CURVES.svg
"""
import json, pathlib, sys

WIDTH, HEIGHT, LEFT, FOOT, WINDOW = 720, 300, 48, 28, 10
CURVES = (
    ("direct", "direct convolutions", "#d67a1f", 4.0),
    ("tiles", "bf16 tiles", "#2a9d54", 2.2),
    ("filtered", "minimal filtering", "#1f6fd6", 1.0),
)


def smooth(loss):
    """Means of `WINDOW` steps, at the last of them."""
    return [(i, sum(loss[i - WINDOW:i]) / WINDOW) for i in range(WINDOW, len(loss) + 1)]


def main():
    measured, file = json.loads(pathlib.Path(sys.argv[1]).read_text()), pathlib.Path(sys.argv[2])
    steps = measured["steps"]
    drawn = [curve for curve in CURVES if measured.get(curve[0])]
    curves = {name: smooth(measured[name]["loss"]) for name, *_ in drawn}
    most = max(v for curve in curves.values() for _, v in curve)
    x = lambda step: LEFT + (WIDTH - LEFT - 8) * step / steps
    y = lambda v: 8 + (HEIGHT - FOOT - 8) * (1 - v / most)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">', f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']
    for k in range(6):
        v = most * k / 5
        out.append(f'<path d="M{LEFT} {y(v):.1f}H{WIDTH - 8}" stroke="#ddd"/><text x="{LEFT - 6}" y="{y(v) + 4:.1f}" text-anchor="end">{v:.2f}</text>')
    for k, (name, said, colour, width) in enumerate(drawn):
        points = " ".join(f"{x(step):.1f},{y(v):.1f}" for step, v in curves[name])
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/><text x="{LEFT + 200 + 150 * k}" y="22" fill="{colour}">{said}</text>')
    side = " x ".join(map(str, measured["patch"]))
    out.append(f'<text x="{WIDTH - 8}" y="{HEIGHT - 8}" text-anchor="end">loss over {steps} steps on patches of {side}, mean of {WINDOW} steps</text></svg>')
    file.write_text("\n".join(out) + "\n")
    for name, said, *_ in drawn[1:]:
        apart = [abs(a - b) for a, b in zip(measured[name]["loss"], measured["direct"]["loss"])]
        print(f"{said}, losses apart from direct: step 1 {apart[0]:.1e}, largest of the first 20 {max(apart[:20]):.1e}, of all {max(apart):.1e}, mean {sum(apart) / steps:.1e}")
    for name, said, *_ in drawn:
        print(f"{said}: loss {curves[name][-1][1]:.4f}, Dice " + " ".join(f"{region} {dice:.4f}" for region, dice in zip(("WT", "TC", "ET"), measured[name]["dice"])))


if __name__ == "__main__":
    main()

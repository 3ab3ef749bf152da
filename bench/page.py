#!/usr/bin/env python3
"""Write what `make bench` measured as one page, and its roofline as a picture.

    python3 bench/page.py BENCH.jsonl PAGE.html ROOFLINE.svg

Of lines that measured the same work the newest counts. The page needs nothing but itself.
"""
import html, json, math, pathlib, sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP, FOOT = 860, 520, 64, 150, 16, 44
COLOURS = {"forward": "#1f6fd6", "data_gradient": "#d67a1f", "weight_gradient": "#2f9e44"}
ROOFS = {"f32": "#222", "bf16": "#8a8a8a", "int16": "#7a3fb5", "int8": "#b5503f", "bf16 tiles": "#2b8a9e", "int8 tiles": "#a8861a"}
SAID = {"forward": "forward", "data_gradient": "gradient to data", "weight_gradient": "gradient to weights"}
# Products of F(4, 3) along two axes and F(2, 3) along the third, to those by definition.
WINOGRAD = 864 / 144


def newest(file):
    """By what was measured, in the order of its first appearance."""
    found = {}
    for line in map(json.loads, file.read_text().splitlines()):
        key = (line["name"], line.get("network"), str(line.get("patch")), line.get("pass"), line.get("precision"), line.get("isa"), line.get("case"))
        found[key] = line
    return list(found.values())


class Plot:
    """Logarithmic axes: operations a byte to the right, milliards of operations a second upwards."""

    def __init__(self, roofs, points):
        xs = [p["x"] for p in points] or [1, 100]
        self.x0, self.x1 = min(1, *xs) / 1.5, max(*xs, 100) * 2
        highest = max([r["height"] for r in roofs] + [p["y"] for p in points])
        self.y0, self.y1 = min([p["y"] for p in points] + [highest / 100]) / 1.5, highest * 1.6
        self.out = []

    def x(self, v):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(v / self.x0) / math.log(self.x1 / self.x0)

    def y(self, v):
        return HEIGHT - FOOT - (HEIGHT - FOOT - TOP) * math.log(v / self.y0) / math.log(self.y1 / self.y0)

    def text(self, x, y, said, **how):
        how = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in how.items())
        self.out.append(f'<text x="{x:.1f}" y="{y:.1f}"{how}>{html.escape(said)}</text>')

    def grid(self):
        for axis, low, high in (("x", self.x0, self.x1), ("y", self.y0, self.y1)):
            for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
                for digit in (1, 2, 5):
                    v = digit * 10.0**power
                    if not low <= v <= high:
                        continue
                    if axis == "x":
                        self.out.append(f'<path d="M{self.x(v):.1f} {TOP}V{HEIGHT - FOOT}" stroke="#e4e4e4"/>')
                        self.text(self.x(v), HEIGHT - FOOT + 16, f"{v:g}", text_anchor="middle")
                    else:
                        self.out.append(f'<path d="M{LEFT} {self.y(v):.1f}H{WIDTH - RIGHT}" stroke="#e4e4e4"/>')
                        self.text(LEFT - 6, self.y(v) + 4, f"{v:g}", text_anchor="end")
        self.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "operations a byte that must move", text_anchor="middle")
        self.out.append(f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">GFLOP/s as if directly computed</text>')

    def roof(self, roof, gb):
        """Memory's slope up to the roof's height, then flat."""
        height = roof["height"]
        corner = min(max(height / gb, self.x0), self.x1)
        foot = max(self.x0, self.y0 / gb)
        style = f'fill="none" stroke="{roof["colour"]}" stroke-width="1.5"' + (' stroke-dasharray="6 4"' if roof["dashed"] else "")
        self.out.append(f'<path d="M{self.x(foot):.1f} {self.y(foot * gb):.1f}L{self.x(corner):.1f} {self.y(height):.1f}H{WIDTH - RIGHT}" {style}/>')
        self.text(WIDTH - RIGHT + 6, roof["label"], f"{roof['said']} {height:.0f}", fill=roof["colour"])

    def label(self, roofs):
        """Names each roof at its end, one line apart where roofs lie closer."""
        below = HEIGHT
        for roof in sorted(roofs, key=lambda roof: roof["height"]):
            roof["label"] = below = min(self.y(roof["height"]) + 4, below - 12)

    def point(self, p):
        x, y, colour = self.x(p["x"]), self.y(p["y"]), COLOURS[p["pass"]]
        fill = colour if p["algorithm"] == "Winograd" else "#fff"
        self.out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{fill}" stroke="{colour}" stroke-width="1.5"><title>{html.escape(p["said"])}</title></circle>')


def roofline(lines):
    """The picture: every convolution under the roofs of the machine; none if no peak was measured."""
    peak = next((l for l in lines if l["name"] == "peak"), None)
    if peak is None:
        return None
    on_all = lambda rows: [r for r in rows if r["threads"] == peak["threads"]]
    gb = next(m["gb_per_second"]["median"] for m in on_all(peak["memory"]) if m["traffic"] == "copy")
    roofs = []
    for rate in on_all(peak["arithmetic"]):
        height, colour = rate["giga_per_second"]["median"], ROOFS[rate["precision"]]
        roofs.append({"said": rate["precision"], "height": height, "colour": colour, "dashed": False})
        if rate["precision"] in ("f32", "int16"):
            roofs.append({"said": f"{rate['precision']} Winograd", "height": WINOGRAD * height, "colour": colour, "dashed": True})
    points = []
    for line in (l for l in lines if l["name"] == "layers"):
        for of in line["layers"]:
            d, h, w = of["shape"]
            said = f"{line['network']} {of['kind']} {of['inputs']} to {of['outputs']} @ {d} x {h} x {w}, {SAID[of['pass']]}, {of['algorithm']}: "
            said += f"{of['milliseconds']['median']:.2f} ms, {of['gflop_per_second']:.0f} GFLOP/s, {100 * of['share_of_peak']:.0f} % of the f32 peak"
            points.append({**of, "x": 1e9 * of["gflop"] / of["least_bytes"], "y": of["gflop_per_second"], "said": said})
    plot = Plot(roofs, points)
    plot.grid()
    plot.label(roofs)
    for roof in roofs:
        plot.roof(roof, gb)
    for point in points:
        plot.point(point)
    for k, (passed, colour) in enumerate(COLOURS.items()):
        plot.out.append(f'<circle cx="{LEFT + 16}" cy="{TOP + 16 + 18 * k}" r="4.5" fill="{colour}"/>')
        plot.text(LEFT + 28, TOP + 20 + 18 * k, SAID[passed])
    plot.text(LEFT + 10, TOP + 20 + 18 * len(COLOURS), "full: Winograd, ring: direct")
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>', *plot.out, "</svg>"])


def spread(s, digits=3):
    return f"{s['median']:.{digits}f} ({s['min']:.{digits}f} to {s['max']:.{digits}f})"


def table(title, head, rows):
    cell = lambda tag, of: f"<{tag}>{html.escape(str(of))}</{tag}>"
    body = "".join("<tr>" + "".join(cell("td", c) for c in row) + "</tr>\n" for row in rows)
    return f"<h2>{html.escape(title)}</h2>\n<table><tr>{''.join(cell('th', c) for c in head)}</tr>\n{body}</table>\n"


def tables(lines):
    for line in lines:
        where = f"{line['isa']}, {line['threads']} threads, commit {line.get('commit', '-')}"
        if line["name"] == "peak":
            rows = [[r["precision"], r["instruction"], r["threads"], spread(r["giga_per_second"], 0) + " G/s"] for r in line["arithmetic"]]
            rows += [["memory", m["traffic"], m["threads"], spread(m["gb_per_second"], 1) + " GB/s"] for m in line["memory"]]
            rows += [[of["what"], "left out", "-", of["why"]] for of in line["left_out"]]
            yield table(f"Peaks, {where}", ["what", "by", "threads", "median (least to most)"], rows)
        elif line["name"] == "layers":
            rows = []
            for of in line["layers"]:
                d, h, w = of["shape"]
                rows.append([
                    f"{of['kind']} {of['inputs']} to {of['outputs']} @ {d} x {h} x {w}", len(of["layers"]), SAID[of["pass"]], of["algorithm"],
                    spread(of["milliseconds"], 2), f"{of['gflop_per_second']:.0f}", f"{100 * of['share_of_peak']:.0f} %",
                ])
            yield table(f"Layers of {line['network']}, {where}", ["layer", "in the net", "pass", "by", "ms", "GFLOP/s", "of the f32 peak"], rows)
        elif line["name"] == "case":
            rows = [[s["stage"], spread(s["seconds"])] for s in line["stages"]] + [["all", spread(line["seconds"])], ["peak memory", f"{line['peak_rss_mib']:.0f} MiB"]]
            yield table(f"Case {line['case']}, {line['model']}, {line['precision']}, {where}", ["stage", "seconds"], rows)
        elif "seconds" in line:
            rate = line["gflop_per_second"]
            rows = [[spread(line["seconds"]), f"{rate['median'] if isinstance(rate, dict) else rate:.0f}", f"{line['peak_rss_mib']:.0f}"]]
            patch = " x ".join(map(str, line["patch"])) if "patch" in line else ""
            yield table(", ".join(w for w in (line["name"], line.get("pass", ""), patch, line["precision"], where) if w), ["seconds", "GFLOP/s", "peak memory, MiB"], rows)


STYLE = """body{font:14px/1.5 sans-serif;margin:2em auto;max-width:70em;padding:0 1em}table{border-collapse:collapse}
td,th{padding:.15em .8em;text-align:right;border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}svg{max-width:100%}"""


def main():
    source, page, picture = map(pathlib.Path, sys.argv[1:])
    lines = newest(source)
    svg = roofline(lines)
    if svg:
        picture.write_text(svg + "\n")
    page.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Glioscope, measured</title><style>{STYLE}</style>\n'
        f"<h1>Glioscope, measured</h1>\n{svg or ''}\n{''.join(tables(lines))}</html>\n"
    )


if __name__ == "__main__":
    main()

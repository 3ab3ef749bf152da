#!/usr/bin/env python3
"""Print the tables of docs/results.md and draw its curves.

    python3 bench/results.py RUN EVALUATION CURVES.svg

RUN is the folder of a training (metrics.jsonl), EVALUATION that of `glioscope evaluate` (metrics.json).
"""
import json, pathlib, sys

# Table 3 of the report that the project starts from: validation and test columns.
REPORT = {
    "accuracy": (0.9928, 0.9939), "mean IoU": (0.8451, 0.8212), "Dice coefficient": (0.5969, 0.5927),
    "precision": (0.9935, 0.9940), "sensitivity": (0.9914, 0.9928), "specificity": (0.9978, 0.9980),
    "Dice, necrotic": (0.5067, 0.5407), "Dice, oedema": (0.7283, 0.7163), "Dice, enhancing": (0.6608, 0.5731),
}


def number(score, digits=3):
    if score is None:
        return "-"
    if isinstance(score, dict):
        return f"empty: {score['empty']}" if "empty" in score else f"{score['value']:.{digits}f}"
    return f"{score:.{digits}f}"


def cases(evaluation):
    print("| case | region | Dice | HD95, mm | sensitivity | specificity | reference, ml | predicted, ml |")
    print("|---|---|---|---|---|---|---|---|")
    for case in evaluation["cases"]:
        for r in case["regions"]:
            cells = [case["case"], r["region"].upper(), number(r["dice"]), number(r["hd95_surface_distance_mm"], 1), number(r["sensitivity"]),
                     number(r["specificity"], 4), number(r["reference_ml"], 1), number(r["predicted_ml"], 1)]
            print("| " + " | ".join(cells) + " |")


def means(evaluation):
    print("| region | measure | mean over all | cases | mean without empty masks | cases |")
    print("|---|---|---|---|---|---|")
    for region in evaluation["means"]:
        for m in region["measures"]:
            print(f"| {region['region'].upper()} | {m['measure']} | {number(m['all'])} | {m['n_all']} | {number(m['without_empty'])} | {m['n_without_empty']} |")


def table(evaluation):
    print("| row | ours, mean over the cases | ours, voxels of all cases together | report, validation | report, test |")
    print("|---|---|---|---|---|")
    for row in evaluation["report_table"]:
        validation, test = REPORT.get(row["measure"], (None, None))
        print(f"| {row['measure']} | {number(row['mean'], 4)} | {number(row['pooled'], 4)} | {number(validation, 4)} | {number(test, 4)} |")


def curves(run, file):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    train = [l for l in lines if "train/loss" in l]
    width, height, left, foot, window = 720, 300, 48, 28, 50
    last = train[-1]["step"]
    x = lambda step: left + (width - left - 8) * step / last
    y = lambda v: 8 + (height - foot - 8) * (1 - min(v, 1.4) / 1.4)
    path = lambda points: " ".join(f"{x(s):.1f},{y(v):.1f}" for s, v in points)
    def smooth(key):
        for i in range(window, len(train), 10):
            part = train[i - window:i]
            yield part[-1]["step"], sum(l[key] for l in part) / window
    series = [("loss", "train/loss", "#444"), ("soft Dice WT", "train/soft_dice_wt", "#2fbf4a"), ("TC", "train/soft_dice_tc", "#3b6cff"), ("ET", "train/soft_dice_et", "#ff3b3b")]
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">', f'<rect width="{width}" height="{height}" fill="#fff"/>']
    for v in (0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4):
        out.append(f'<path d="M{left} {y(v):.1f}H{width - 8}" stroke="#ddd"/><text x="{left - 6}" y="{y(v) + 4:.1f}" text-anchor="end">{v:.1f}</text>')
    for k, (name, key, colour) in enumerate(series):
        out.append(f'<polyline points="{path(smooth(key))}" fill="none" stroke="{colour}" stroke-width="1.4"/><text x="{left + 10 + 110 * k}" y="22" fill="{colour}">{name}</text>')
    for l in lines:
        for key, colour in (("validation/dice_wt", "#2fbf4a"), ("validation/dice_tc", "#3b6cff"), ("validation/dice_et", "#ff3b3b")):
            if key in l:
                out.append(f'<circle cx="{x(l["step"]):.1f}" cy="{y(l[key]):.1f}" r="4" fill="none" stroke="{colour}" stroke-width="2"/>')
    out.append(f'<text x="{width - 8}" y="{height - 8}" text-anchor="end">step {last + 1}; lines: training, mean of {window} steps; rings: validation, hard Dice</text></svg>')
    file.write_text("\n".join(out) + "\n")


def main():
    run, folder, file = map(pathlib.Path, sys.argv[1:])
    evaluation = json.loads((folder / "metrics.json").read_text())
    for part in (means, table, cases):
        part(evaluation)
        print()
    curves(run, file)


if __name__ == "__main__":
    main()

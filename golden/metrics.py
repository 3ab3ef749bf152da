"""Golden values for crates/metrics, computed with public packages.

Versions (Python 3.11): numpy==1.26.4 scipy==1.13.1 surface-distance==0.1 absl-py==2.5.1
(surface-distance 0.1 uses np.Inf and scipy.ndimage.morphology, which later NumPy and SciPy no longer have).

    python3 -m venv /tmp/golden-metrics
    /tmp/golden-metrics/bin/pip install numpy==1.26.4 scipy==1.13.1 surface-distance==0.1 absl-py==2.5.1
    /tmp/golden-metrics/bin/python golden/metrics.py

Writes crates/metrics/tests/golden/metrics.json: the same bytes for the same versions.
Masks and class maps are stored as runs, x (axis 0) fastest: a mask as lengths that begin with false, a class map as
pairs of code and length. Overlap is counted with NumPy; distances and areas are the package's.
"""

import json
import pathlib
import warnings

import numpy as np
from scipy import ndimage
from surface_distance import lookup_tables, metrics

OUT = pathlib.Path(__file__).parent.parent / "crates/metrics/tests/golden/metrics.json"
AREA_SPACINGS = [(1.0, 1.0, 1.0), (0.7, 1.9, 3.1)]

# shape, spacing in mm, smoothing of the noise in voxels, share of voxels inside, how the prediction differs
BLOBS = [
    ((24, 22, 20), (1.0, 1.0, 1.0), 3.0, 0.15, "other noise"),
    ((31, 17, 13), (0.9, 1.3, 3.0), 2.0, 0.20, "other noise"),
    ((17, 31, 13), (3.0, 0.5, 1.1), 2.0, 0.10, "other noise"),
    ((20, 20, 20), (1.0, 1.0, 5.0), 2.5, 0.10, "shifted"),
    ((26, 21, 15), (0.47, 0.47, 6.5), 2.0, 0.25, "shifted"),
    ((22, 24, 12), (1.2, 0.8, 2.0), 2.0, 0.15, "grown"),
    ((22, 24, 12), (2.0, 1.2, 0.8), 2.0, 0.15, "shrunk"),
    ((40, 12, 18), (1.0, 1.0, 1.0), 1.2, 0.05, "speckled"),
    ((14, 15, 16), (1.7, 0.6, 1.0), 0.0, 0.30, "other noise"),  # every neighbourhood code occurs
    ((9, 8, 7), (1.0, 2.0, 3.0), 1.0, 0.97, "other noise"),  # nearly full: surfaces on the edge of the grid
    ((6, 5, 4), (1.5, 1.0, 2.5), 0.0, 1.00, "shifted"),  # the reference fills the grid
]


def blob(rng, shape, smoothing, share):
    noise = rng.standard_normal(shape)
    if smoothing:
        noise = ndimage.gaussian_filter(noise, smoothing)
    return noise >= np.quantile(noise, 1 - share)


def differ(rng, mask, how, smoothing, share):
    if how == "other noise":
        return blob(rng, mask.shape, smoothing, share)
    if how == "shifted":
        return ndimage.shift(mask.astype(np.uint8), (2, -1, 1), order=0).astype(bool)
    if how == "grown":
        return ndimage.binary_dilation(mask, iterations=2)
    if how == "shrunk":
        return ndimage.binary_erosion(mask)
    if how == "speckled":
        return mask ^ (rng.random(mask.shape) < 0.004)
    raise ValueError(how)


def runs(mask):
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *lengths] if flat[0] else lengths


def pairs(classes):
    flat = classes.ravel(order="F")
    edges = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]])
    return [v for a, b in zip(edges[:-1], edges[1:]) for v in (int(flat[a]), int(b - a))]


def ratio(part, whole):
    return float(part) / float(whole) if whole else None


def score(reference, predicted, spacing):
    tp, fp = int((reference & predicted).sum()), int((~reference & predicted).sum())
    fn, tn = int((reference & ~predicted).sum()), int((~reference & ~predicted).sum())
    distances = metrics.compute_surface_distances(reference, predicted, spacing)
    return {
        "counts": [tp, fp, fn, tn],
        "dice": metrics.compute_dice_coefficient(reference, predicted),
        "iou": ratio(tp, tp + fp + fn),
        "sensitivity": ratio(tp, tp + fn),
        "specificity": ratio(tn, tn + fp),
        "hausdorff": {p: metrics.compute_robust_hausdorff(distances, float(p)) for p in ("50", "95", "100")},
        "surface_mm2": [float(distances["surfel_areas_gt"].sum()), float(distances["surfel_areas_pred"].sum())],
        "volume_error_ml": float((int(predicted.sum()) - int(reference.sum())) * np.prod(spacing) / 1000),
    }


def pair(seed, shape, spacing, smoothing, share, how):
    rng = np.random.default_rng(seed)
    reference = blob(rng, shape, smoothing, share)
    predicted = differ(rng, reference, how, smoothing, share)
    assert reference.any() and predicted.any(), (seed, how)
    return {
        "name": f"seed {seed}: {how}, spacing {spacing}",
        "shape": shape,
        "spacing": spacing,
        "reference": runs(reference),
        "predicted": runs(predicted),
        **score(reference, predicted, spacing),
    }


def class_map(rng, shape):
    """Background, and three nested levels of smooth noise."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), 2.0)
    return np.digitize(noise, np.quantile(noise, [0.8, 0.87, 0.95])).astype(np.uint8)


def table(seed, shape):
    """The report's table by its definitions: one-hot masks, pooled for the micro averages."""
    rng = np.random.default_rng(seed)
    reference = class_map(rng, shape)
    predicted = np.where(rng.random(shape) < 0.9, reference, class_map(rng, shape)).astype(np.uint8)
    r, p = (np.stack([m == c for c in range(4)]) for m in (reference, predicted))
    tp, fp, fn, tn = (r & p).sum(), (~r & p).sum(), (r & ~p).sum(), (~r & ~p).sum()
    dice = [metrics.compute_dice_coefficient(r[c], p[c]) for c in range(4)]
    return {
        "reference": pairs(reference),
        "predicted": pairs(predicted),
        "accuracy": float((reference == predicted).mean()),
        "mean_iou": float(np.mean([(r[c] & p[c]).sum() / (r[c] | p[c]).sum() for c in range(4)])),
        "dice_coefficient": float(np.mean(dice)),
        "precision": ratio(tp, tp + fp),
        "sensitivity": ratio(tp, tp + fn),
        "specificity": ratio(tn, tn + fp),
        "dice_tissues": [float(d) for d in dice[1:]],
    }


def area_table(spacing):
    areas = lookup_tables.create_table_neighbour_code_to_surface_area(spacing)
    return {"spacing": spacing, "mm2": [float(area) for area in areas]}


def main():
    warnings.simplefilter("ignore", DeprecationWarning)
    golden = {
        "pairs": [pair(seed, *blob) for seed, blob in enumerate(BLOBS)],
        "tables": [table(100, (16, 15, 14)), table(101, (30, 10, 12))],
        "areas": [area_table(spacing) for spacing in AREA_SPACINGS],
    }
    blocks = (f'"{key}": [\n' + ",\n".join(json.dumps(item) for item in items) + "\n]" for key, items in golden.items())
    text = "{\n" + ",\n".join(blocks) + "\n}\n"
    assert len(text) <= 200_000, len(text)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(text)


if __name__ == "__main__":
    main()

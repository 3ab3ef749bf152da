"""A case as Glioscope prepares it (docs/decisions/0007), its reference on the same grid, and Dice. `agree` holds it against ours."""
import json, math, pathlib

import nibabel as nib
import numpy as np

# The endings by which the challenges name the four sequences, and the mask.
ENDINGS = {"t1n": ("t1n", "t1"), "t1c": ("t1c", "t1ce"), "t2w": ("t2w", "t2"), "t2f": ("t2f", "flair")}
REGIONS = {"WT": (1, 2, 3), "TC": (1, 3), "ET": (3,)}


def file_of(folder, endings):
    found = [f for f in folder.iterdir() for e in endings if f.name.removesuffix(".gz").removesuffix(".nii").endswith(("_" + e, "-" + e))]
    return min(found)


def ras(file):
    """Voxels in RAS order as `[z, y, x]`."""
    image = nib.as_closest_canonical(nib.load(file))
    if not np.allclose(image.header.get_zooms()[:3], 1, atol=1e-3):
        raise SystemExit(f"{file.name}: not at 1 mm; this script does not resample")
    return np.ascontiguousarray(np.asarray(image.dataobj, dtype=np.float64).T)


def prepared(folder):
    """The four channels `[4, D, H, W]` that the network sees, and the box of the scan that they are."""
    scans = [ras(file_of(folder, e)).astype(np.float32) for e in ENDINGS.values()]
    present = np.logical_or.reduce([scan != 0 for scan in scans])
    axes = [np.flatnonzero(present.any(axis=tuple(b for b in range(3) if b != a))) for a in range(3)]
    box = tuple(slice(int(a[0]), int(a[-1]) + 1) for a in axes)
    scans = [scan[box] for scan in scans]
    for i, scan in enumerate(scans):
        positive = np.sort(scan[scan > 0])
        cut = positive[math.ceil(len(positive) * 995 / 1000) - 1] if len(positive) else np.float32(0)
        scans[i] = np.clip(scan, 0, cut)
    inside = np.logical_or.reduce([scan > 0 for scan in scans])
    for i, scan in enumerate(scans):
        brain = scan[inside].astype(np.float64)
        scans[i] = np.where(inside, (scan.astype(np.float64) - brain.mean()) / max(brain.std(), 1e-8), 0).astype(np.float32)
    return np.stack(scans), box


def padded(channels, multiple):
    """The case in the middle of a tile whose sides are multiples, `[1, 4, D, H, W]`, and where it lies there."""
    tile = [math.ceil(n / multiple) * multiple for n in channels.shape[1:]]
    starts = [(t - n) // 2 for t, n in zip(tile, channels.shape[1:])]
    place = tuple(slice(s, s + n) for s, n in zip(starts, channels.shape[1:]))
    image = np.zeros((1, len(channels), *tile), np.float32)
    image[(0, slice(None), *place)] = channels
    return image, place


def reference(folder, box):
    """Tissue codes 1 necrotic, 2 oedema, 3 enhancing, on the prepared grid."""
    codes = np.rint(ras(file_of(folder, ("seg",)))[box]).astype(np.uint8)
    return np.where(codes == 4, 3, codes).astype(np.uint8)


def decoded(logits):
    """Codes of the logits `[3, D, H, W]` of the regions, as `segment::decode` paints them."""
    wt, tc, et = logits >= 0
    return np.where(et, 3, np.where(tc, 1, np.where(wt, 2, 0))).astype(np.uint8)


def dice(predicted, expert):
    """By region; both empty is 1, one empty 0 (BraTS 2020)."""
    scores = {}
    for region, codes in REGIONS.items():
        a, b = np.isin(predicted, codes), np.isin(expert, codes)
        scores[region] = 2 * float((a & b).sum()) / float(a.sum() + b.sum()) if a.any() or b.any() else 1.0
    return scores


def equal_in_tumour(codes, others):
    """Share of the voxels that are tumour in either, and of their neighbours, whose label is the same in both."""
    tumour = (codes > 0) | (others > 0)
    near = tumour.copy()
    for axis in range(3):
        for step in (1, -1):
            near |= np.roll(tumour, step, axis)  # a tumour does not touch the box's faces
    return float((codes == others)[near].mean()) if near.any() else 1.0


def split(real):
    return json.loads((real / "split.json").read_text())


def folder_of(real, name):
    """Where a case lies: as distributed, or unpacked by ../shared/data/unpack.py into a folder beside."""
    for folder in (real / "brats" / name, real / "unpacked" / name, pathlib.Path("runs/unpacked") / name, pathlib.Path("target/peers/unpacked") / name):
        if folder.is_dir():
            return folder
    return None

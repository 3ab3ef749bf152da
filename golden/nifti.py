#!/usr/bin/env python3
"""Golden values of the NIfTI reader: what nibabel says of the odd files of public test suites.

    pip install nibabel==5.4.2 numpy==2.4.6
    python3 golden/nifti.py ../shared/data/nifti_odd > crates/volume/tests/golden/nifti_odd.json

One object for each file, sorted by name. Either
  file, shape, datatype, affine (three rows), min, max, mean (of finite voxels, in float64), non_finite,
  ramp: the mean of voxel * (k + 1) / n, k counting with the first axis fastest (it moves if axes are mistaken)
or
  file, refused: why nibabel refuses it, or why this project does by design.
The files themselves are not part of the repository.
"""

import json
import pathlib
import sys

import nibabel
import numpy

NUMBERS = "u1 i1 u2 i2 u4 i4 u8 i8 f4 f8".split()


def facts(path):
    if path.suffix in (".hdr", ".img") or path.name.endswith(".img.gz"):
        return {"refused": "half of a pair, or no NIfTI"}
    try:
        image = nibabel.load(path)
        kind = image.header.get_data_dtype() if hasattr(image.header, "get_data_dtype") else None
    except Exception as error:  # whatever nibabel raises is the golden fact
        return {"refused": type(error).__name__}
    if not isinstance(image, nibabel.Nifti1Image):
        return {"refused": type(image).__name__}
    if kind.str[1:] not in NUMBERS:
        return {"refused": "voxels that are no single number"}
    try:
        voxels = numpy.asanyarray(image.dataobj).astype(numpy.float64)
    except Exception as error:
        return {"refused": type(error).__name__}
    flat = voxels.ravel(order="F")
    finite = flat[numpy.isfinite(flat)]
    return {
        "shape": list(image.shape),
        "datatype": kind.name,
        "affine": image.affine[:3].tolist(),
        "min": float(finite.min()),
        "max": float(finite.max()),
        "mean": float(finite.mean()),
        "ramp": float((finite * numpy.arange(1, finite.size + 1)).mean() / finite.size),
        "non_finite": int(voxels.size - finite.size),
    }


def main():
    folder = pathlib.Path(sys.argv[1])
    files = sorted(path for path in folder.glob("*/*") if path.is_file())
    rows = [{"file": str(path.relative_to(folder)), **facts(path)} for path in files]
    print("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]")


if __name__ == "__main__":
    main()

import { gunzipSync } from 'node:zlib'

type Voxel = readonly [number, number, number]

/** An image as it lies in its file, asked by voxels that count to the right, to the front and up. */
export interface Scan {
  readonly shape: Voxel
  at(voxel: Voxel): number
}

/** Reads a NIfTI file whose axes are those of the patient, forwards or backwards. Not the code of the page or the server. */
export function readScan(file: Buffer): Scan {
  const bytes = file[0] === 0x1f ? gunzipSync(file) : file
  const shape = [bytes.readInt16LE(42), bytes.readInt16LE(44), bytes.readInt16LE(46)] as const
  const [start, slope, intercept] = [108, 112, 116].map((at) => bytes.readFloatLE(at)) as [number, number, number]
  const row = (r: number) => [0, 1, 2].map((c) => bytes.readFloatLE(280 + 16 * r + 4 * c))
  const backwards = [0, 1, 2].map((r) => {
    const values = row(r)
    if (values.some((value, c) => c !== r && value !== 0)) throw new Error('the axes are turned')
    return (values[r] ?? 0) < 0
  })
  const read = reader(bytes, bytes.readInt16LE(70))
  return {
    shape,
    at(voxel) {
      const [x, y, z] = voxel.map((i, axis) => (backwards[axis] ? (shape[axis] ?? 0) - 1 - i : i)) as [
        number,
        number,
        number,
      ]
      const value = read(start, x + shape[0] * (y + shape[1] * z))
      return slope === 0 || !Number.isFinite(slope) ? value : value * slope + intercept
    },
  }
}

function reader(bytes: Buffer, type: number): (start: number, i: number) => number {
  switch (type) {
    case 2:
      return (start, i) => bytes.readUInt8(start + i)
    case 4:
      return (start, i) => bytes.readInt16LE(start + 2 * i)
    case 16:
      return (start, i) => bytes.readFloatLE(start + 4 * i)
    case 512:
      return (start, i) => bytes.readUInt16LE(start + 2 * i)
    default:
      throw new Error(`voxels of type ${type} are not read here`)
  }
}

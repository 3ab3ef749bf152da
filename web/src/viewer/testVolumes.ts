/** Small files for tests. */

import type { Vec3 } from './space'

interface Small {
  readonly shape: Vec3
  readonly values: Uint8Array
  /** Which way the file's axes run. */
  readonly direction: 'RAS' | 'LPS'
}

/** An unpacked NIfTI-1 file of bytes, 1 mm, whose first voxel lies at the corner that the direction says. */
export function niftiOf({ shape, values, direction }: Small): ArrayBuffer {
  const bytes = new Uint8Array(352 + values.length)
  const view = new DataView(bytes.buffer)
  view.setInt32(0, 348, true)
  view.setInt16(40, 3, true)
  for (const [i, n] of shape.entries()) view.setInt16(42 + 2 * i, n, true)
  view.setInt16(70, 2, true)
  view.setInt16(72, 8, true)
  for (let i = 0; i < 4; i++) view.setFloat32(76 + 4 * i, 1, true)
  view.setFloat32(108, 352, true)
  view.setInt16(254, 1, true)
  const sign = direction === 'LPS' ? -1 : 1
  const rows = [
    [sign, 0, 0, sign < 0 ? shape[0] - 1 : 0],
    [0, sign, 0, sign < 0 ? shape[1] - 1 : 0],
    [0, 0, 1, 0],
  ]
  for (const [r, row] of rows.entries())
    for (const [c, value] of row.entries()) view.setFloat32(280 + 16 * r + 4 * c, value, true)
  bytes.set([0x6e, 0x2b, 0x31, 0], 344)
  bytes.set(values, 352)
  return bytes.buffer
}

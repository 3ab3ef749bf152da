/** NIfTI-1 bytes ⇄ volumes in RAS order. Reads what our own server writes: little-endian, three axes, a clean header. */

import type { Affine, Row, Vec3 } from './space'
import { voxelCount } from './space'
import { intoFile, intoRas, type Labels, type Source, turnedGrid, turnOf, type Values, type Volume } from './volume'

/** The bytes are not a volume that the page can draw. */
export class NotAVolume extends Error {}

const HEADER = 348
const OFFSET = 352

interface Header {
  readonly shape: Vec3
  readonly type: number
  readonly offset: number
  readonly slope: number
  readonly intercept: number
  readonly affine: Affine
}

/** Unpacks gzip; bytes that are not gzip come back as they are. */
export async function gunzip(bytes: ArrayBuffer): Promise<ArrayBuffer> {
  const head = new Uint8Array(bytes, 0, Math.min(2, bytes.byteLength))
  if (head[0] !== 0x1f || head[1] !== 0x8b) return bytes
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer()
}

export async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  return new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer()
}

/** A volume in RAS order from the bytes of a `.nii` or `.nii.gz`. */
export async function readVolume(bytes: ArrayBuffer): Promise<Volume> {
  return volumeOf(await gunzip(bytes))
}

/** Labels in RAS order; whatever type the file has, codes become bytes. */
export async function readLabels(bytes: ArrayBuffer): Promise<Labels> {
  const volume = volumeOf(await gunzip(bytes))
  const values = volume.values instanceof Uint8Array ? volume.values : Uint8Array.from(volume.values)
  return { grid: volume.grid, values, source: volume.source }
}

/** The `.nii.gz` of labels, on the grid and in the order of the file that they came from. */
export async function writeLabels(values: Uint8Array, source: Source): Promise<Uint8Array<ArrayBuffer>> {
  const codes = intoFile(values, source.turn)
  const bytes = new Uint8Array(OFFSET + codes.length)
  bytes.set(source.header.subarray(0, HEADER))
  const view = new DataView(bytes.buffer)
  view.setInt16(70, 2, true)
  view.setInt16(72, 8, true)
  view.setFloat32(108, OFFSET, true)
  view.setFloat32(112, 1, true)
  view.setFloat32(116, 0, true)
  view.setFloat32(124, 0, true)
  view.setFloat32(128, 0, true)
  bytes.set([0x6e, 0x2b, 0x31, 0], 344)
  bytes.set(codes, OFFSET)
  return new Uint8Array(await gzip(bytes))
}

function volumeOf(bytes: ArrayBuffer): Volume {
  const header = readHeader(bytes)
  const turn = turnOf(header.affine, header.shape)
  const raw = scaled(rawValues(bytes, header), header)
  const values = reordered(raw, turn)
  return {
    grid: turnedGrid(header.affine, turn),
    values,
    source: { header: new Uint8Array(bytes.slice(0, HEADER)), turn },
  }
}

function reordered(raw: Values, turn: Parameters<typeof intoRas>[2]): Values {
  const [x, y, z] = turn.axes
  const still = x === 0 && y === 1 && z === 2 && !turn.flips.includes(true)
  return still ? raw : intoRas(raw, raw.slice(), turn)
}

function readHeader(bytes: ArrayBuffer): Header {
  if (bytes.byteLength < OFFSET) throw new NotAVolume('the file is shorter than a header')
  const view = new DataView(bytes)
  if (view.getInt32(0, true) !== HEADER) throw new NotAVolume('not a little-endian NIfTI-1 file')
  const dim = (axis: number) => Math.max(1, view.getInt16(40 + 2 * axis, true))
  const shape: Vec3 = [dim(1), dim(2), dim(3)]
  const slope = view.getFloat32(112, true)
  const plain = slope === 0 || !Number.isFinite(slope)
  return {
    shape,
    type: view.getInt16(70, true),
    offset: Math.max(OFFSET, view.getFloat32(108, true)),
    slope: plain ? 1 : slope,
    intercept: plain ? 0 : view.getFloat32(116, true),
    affine: affineOf(view),
  }
}

/** The sform, else the qform, else the spacing alone. */
function affineOf(view: DataView): Affine {
  const f = (at: number) => view.getFloat32(at, true)
  if (view.getInt16(254, true) > 0) {
    const row = (at: number): Row => [f(at), f(at + 4), f(at + 8), f(at + 12)]
    return [row(280), row(296), row(312)]
  }
  const [dx, dy, dz] = [f(80) || 1, f(84) || 1, f(88) || 1]
  if (view.getInt16(252, true) <= 0) {
    return [
      [dx, 0, 0, 0],
      [0, dy, 0, 0],
      [0, 0, dz, 0],
    ]
  }
  const [b, c, d] = [f(256), f(260), f(264)]
  const a = Math.sqrt(Math.max(0, 1 - b * b - c * c - d * d))
  const qz = f(76) < 0 ? -dz : dz
  return [
    [(a * a + b * b - c * c - d * d) * dx, 2 * (b * c - a * d) * dy, 2 * (b * d + a * c) * qz, f(268)],
    [2 * (b * c + a * d) * dx, (a * a + c * c - b * b - d * d) * dy, 2 * (c * d - a * b) * qz, f(272)],
    [2 * (b * d - a * c) * dx, 2 * (c * d + a * b) * dy, (a * a + d * d - b * b - c * c) * qz, f(276)],
  ]
}

function rawValues(bytes: ArrayBuffer, header: Header): Values {
  const count = voxelCount(header.shape)
  const read = <T>(make: new (buffer: ArrayBuffer, offset: number, count: number) => T, width: number): T => {
    const { offset } = header
    if (bytes.byteLength < offset + count * width) throw new NotAVolume('the file ends too early')
    // Voxels are looked at where they lie; only oddly placed ones are copied.
    return offset % width === 0
      ? new make(bytes, offset, count)
      : new make(bytes.slice(offset, offset + count * width), 0, count)
  }
  switch (header.type) {
    case 2:
      return read(Uint8Array<ArrayBuffer>, 1)
    case 256:
      return read(Int8Array<ArrayBuffer>, 1)
    case 4:
      return read(Int16Array<ArrayBuffer>, 2)
    case 512:
      return read(Uint16Array<ArrayBuffer>, 2)
    case 8:
      return read(Int32Array<ArrayBuffer>, 4)
    case 768:
      return read(Uint32Array<ArrayBuffer>, 4)
    case 16:
      return read(Float32Array<ArrayBuffer>, 4)
    case 64:
      return read(Float64Array<ArrayBuffer>, 8)
    default:
      throw new NotAVolume(`voxels of type ${header.type} are not drawn`)
  }
}

function scaled(raw: Values, { slope, intercept }: Header): Values {
  if (slope === 1 && intercept === 0) return raw
  const out = new Float32Array(raw.length)
  for (let i = 0; i < raw.length; i++) out[i] = (raw[i] ?? 0) * slope + intercept
  return out
}

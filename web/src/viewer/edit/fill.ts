/** Filling: the area of one code around a point of a slice, joined over edges of pixels. */

import { codeSlice, sliceWay } from '../slice'
import { type Plane, paneAxes, throughAxis, type Vec3 } from '../space'

/** The offsets of the pixels of the slice that are joined to `seed` and have its code. */
export function areaAt(labels: Uint8Array, shape: Vec3, plane: Plane, seed: Vec3): Uint32Array<ArrayBuffer> {
  const [u, v] = paneAxes(plane)
  const slice = seed[throughAxis(plane)]
  const codes = codeSlice(labels, shape, plane, slice)
  const way = sliceWay(shape, plane, slice)
  const first = seed[u] + way.width * seed[v]
  const code = codes[first]
  const found = [first]
  const seen = new Uint8Array(codes.length)
  seen[first] = 1
  for (let next = 0; next < found.length; next++) {
    const pixel = found[next] ?? 0
    const x = pixel % way.width
    const neighbours = [
      x > 0 ? pixel - 1 : -1,
      x < way.width - 1 ? pixel + 1 : -1,
      pixel - way.width,
      pixel + way.width,
    ]
    for (const near of neighbours) {
      if (near < 0 || near >= codes.length || seen[near] || codes[near] !== code) continue
      seen[near] = 1
      found.push(near)
    }
  }
  return Uint32Array.from(
    found,
    (pixel) => way.start + (pixel % way.width) * way.stepU + Math.floor(pixel / way.width) * way.stepV,
  )
}

/** Whether an area reaches the edge of the slice: background that does is outside, not a hole. */
export function reachesEdge(offsets: Uint32Array, shape: Vec3, plane: Plane): boolean {
  const [u, v] = paneAxes(plane)
  return offsets.some((offset) => {
    const x = offset % shape[0]
    const rest = (offset - x) / shape[0]
    const voxel: Vec3 = [x, rest % shape[1], Math.floor(rest / shape[1])]
    return voxel[u] === 0 || voxel[v] === 0 || voxel[u] === shape[u] - 1 || voxel[v] === shape[v] - 1
  })
}

/** Exact outlines: closed lines along the borders of voxels. */

/** Corners of a closed line in voxel coordinates: the voxel (0, 0) spans -0.5 to 0.5. Last joins first. */
export type Contour = readonly (readonly [number, number])[]

/** right, down, left, up */
const STEPS = [
  [1, 0],
  [0, 1],
  [-1, 0],
  [0, -1],
] as const

/**
 * The outlines of the pixels that `inside` marks, each walked with the inside on its right hand.
 * Pixels that touch at a corner only are outlined apart.
 */
export function contoursOf(inside: Uint8Array, width: number, height: number): readonly Contour[] {
  const edges = borderEdges(inside, width, height)
  const lines: Contour[] = []
  const wide = width + 1
  for (let corner = 0; corner < edges.length; corner++) {
    while (edges[corner] !== 0) lines.push(follow(edges, corner, wide))
  }
  return lines
}

/** One bit a direction for each corner of the lattice: an edge of a border leaves there. */
function borderEdges(inside: Uint8Array, width: number, height: number): Uint8Array {
  const wide = width + 1
  const edges = new Uint8Array(wide * (height + 1))
  const add = (corner: number, direction: number) => {
    edges[corner] = (edges[corner] ?? 0) | (1 << direction)
  }
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = x + width * y
      if (!inside[at]) continue
      const corner = x + wide * y
      if (y === 0 || !inside[at - width]) add(corner, 0)
      if (x === width - 1 || !inside[at + 1]) add(corner + 1, 1)
      if (y === height - 1 || !inside[at + width]) add(corner + wide + 1, 2)
      if (x === 0 || !inside[at - 1]) add(corner + wide, 3)
    }
  }
  return edges
}

/** Walks one line until it is closed and takes its edges away; corners where it goes straight on are left out. */
function follow(edges: Uint8Array, start: number, wide: number): Contour {
  const points: [number, number][] = []
  let corner = start
  let direction = -1
  do {
    const here = edges[corner] ?? 0
    const next = turnFrom(here, direction)
    const step = STEPS[next]
    if (!step) break
    edges[corner] = here & ~(1 << next)
    if (next !== direction) points.push([(corner % wide) - 0.5, Math.floor(corner / wide) - 0.5])
    direction = next
    corner += step[0] + wide * step[1]
  } while (corner !== start)
  return points
}

/** At a corner where two borders meet, the line turns right, round its own pixel. */
function turnFrom(edges: number, direction: number): number {
  const order = direction < 0 ? [0, 1, 2, 3] : [(direction + 1) % 4, direction, (direction + 3) % 4]
  return order.find((d) => (edges >> d) & 1) ?? -1
}

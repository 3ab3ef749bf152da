export interface PlotPoint {
  x: number
  y: number
}

/** Round numbers that enclose `low` to `high`, about `n` steps of 1, 2 or 5. */
export function niceTicks(low: number, high: number, n: number): number[] {
  const span = high - low || Math.abs(high) || 1
  const rough = span / n
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10)
  const first = Math.floor(low / step)
  const last = Math.max(Math.ceil(high / step), first + 1)
  // Multiplied, not added up: 0.1 + 0.2 must print as 0.3.
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}

/** The path through points in order of x; numbers that are not finite break the line. */
export function pathOf(points: readonly PlotPoint[], sx: (x: number) => number, sy: (y: number) => number): string {
  let pen = 'M'
  let path = ''
  for (const point of points) {
    if (Number.isFinite(point.y)) {
      path += `${pen}${sx(point.x).toFixed(1)} ${sy(point.y).toFixed(1)}`
      pen = 'L'
    } else pen = 'M'
  }
  return path
}

/** The point whose x is nearest. */
export function nearest(points: readonly PlotPoint[], x: number): PlotPoint | null {
  let best: PlotPoint | null = null
  for (const point of points) if (best === null || Math.abs(point.x - x) < Math.abs(best.x - x)) best = point
  return best
}

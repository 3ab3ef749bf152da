import { useState } from 'react'
import { nearest, niceTicks, type PlotPoint, pathOf } from './plotting'

export interface Line {
  key: string
  label: string
  colour: string
  dash?: string
  points: readonly PlotPoint[]
}

interface LinePlotProps {
  /** Read aloud in place of the drawing. */
  label: string
  lines: readonly Line[]
  width?: number
  height?: number
  showX: (x: number) => string
  showY: (y: number) => string
  /** The axis, where it wants fewer digits than the values. */
  showTick?: (y: number) => string
  /** Draws a dot at each point: for few measurements, not for curves of thousands of steps. */
  dots?: boolean
  fromZero?: boolean
}

const LEFT = 60
const RIGHT = 12
const TOP = 8
const BOTTOM = 22

/** Lines over one axis, with the values under the pointer. Plain SVG: a chart library is larger than all of this page. */
export function LinePlot({
  label,
  lines,
  width = 560,
  height = 200,
  showX,
  showY,
  showTick = showY,
  dots = false,
  fromZero = true,
}: LinePlotProps) {
  const [at, setAt] = useState<number | null>(null)
  const points = lines.flatMap((line) => line.points)
  if (points.length === 0) return null
  const [xMin, xMax] = [Math.min(...points.map((p) => p.x)), Math.max(...points.map((p) => p.x))]
  const [low, high] = [Math.min(...points.map((p) => p.y)), Math.max(...points.map((p) => p.y))]
  const ticks = niceTicks(fromZero ? Math.min(0, low) : low, high, 4)
  const [yMin, yMax] = [ticks[0] ?? 0, ticks[ticks.length - 1] ?? 1]
  const sx = (x: number) => LEFT + (xMax === xMin ? 0.5 : (x - xMin) / (xMax - xMin)) * (width - LEFT - RIGHT)
  const sy = (y: number) => TOP + (1 - (y - yMin) / (yMax - yMin || 1)) * (height - TOP - BOTTOM)
  const atX = at === null ? null : nearest(points, xMin + ((at - LEFT) / (width - LEFT - RIGHT)) * (xMax - xMin))
  return (
    <figure className="plot">
      <svg
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={label}
        onPointerMove={(event) => {
          const box = event.currentTarget.getBoundingClientRect()
          setAt(((event.clientX - box.left) / box.width) * width)
        }}
        onPointerLeave={() => setAt(null)}
      >
        {ticks.map((tick) => (
          <g key={tick}>
            <line className="plot-grid" x1={LEFT} x2={width - RIGHT} y1={sy(tick)} y2={sy(tick)} />
            <text x={LEFT - 6} y={sy(tick) + 4} textAnchor="end">
              {showTick(tick)}
            </text>
          </g>
        ))}
        <text x={LEFT} y={height - 6}>
          {showX(xMin)}
        </text>
        {xMax > xMin && (
          <text x={width - RIGHT} y={height - 6} textAnchor="end">
            {showX(xMax)}
          </text>
        )}
        {lines.map((line) => (
          <g key={line.key}>
            <path
              d={pathOf(line.points, sx, sy)}
              stroke={line.colour}
              strokeDasharray={line.dash}
              className="plot-line"
            />
            {dots && line.points.map((p) => <circle key={p.x} cx={sx(p.x)} cy={sy(p.y)} r={3} fill={line.colour} />)}
          </g>
        ))}
        {atX && <line className="plot-cursor" x1={sx(atX.x)} x2={sx(atX.x)} y1={TOP} y2={height - BOTTOM} />}
      </svg>
      <figcaption>
        {atX && <span className="plot-x">{showX(atX.x)}</span>}
        {lines.map((line) => {
          const point = nearest(line.points, atX?.x ?? xMax)
          return (
            <span key={line.key}>
              <svg width="18" height="8" aria-hidden="true">
                <line x1="0" x2="18" y1="4" y2="4" stroke={line.colour} strokeWidth="2" strokeDasharray={line.dash} />
              </svg>{' '}
              {line.label} {point && <b className="figures">{showY(point.y)}</b>}
            </span>
          )
        })}
      </figcaption>
    </figure>
  )
}

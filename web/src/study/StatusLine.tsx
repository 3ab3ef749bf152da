import type { Library } from '../viewer/library'
import { offsetOf, toWorld, type Vec3 } from '../viewer/space'
import { useWords } from '../words/useWords'
import { type Hover, useHover } from './hover'
import { type Look, seriesOf } from './paneScene'
import { drawnSequence } from './scene'

interface StatusLineProps {
  look: Look
  library: Library
  hover: Hover
}

const CODES = ['background', 'ncr', 'ed', 'et'] as const

/** Intensity, label and place under the pointer, or at the crosshair while the pointer is elsewhere. */
export function StatusLine({ look, library, hover }: StatusLineProps) {
  const words = useWords()
  const pointed = useHover(hover)
  const { scene, grid } = look
  const at = pointed ?? scene.cursor
  const sequence = drawnSequence(scene)
  const series = seriesOf(look.series, sequence)
  const volume = series ? library.volume(series.url) : null
  const labels = look.masks.shown ? library.labels(look.masks.shown) : null
  const value = volume?.values[offsetOf(at, grid.shape)]
  const code = CODES[labels?.values[offsetOf(at, grid.shape)] ?? 0] ?? 'background'
  return (
    <p className="status-line numeric" data-testid="status" data-at={pointed ? 'pointer' : 'crosshair'}>
      <span>
        {words.named(`sequence.${sequence}`)}{' '}
        <b data-testid="intensity">
          {value === undefined ? '–' : words.number(value, Number.isInteger(value) ? 0 : 1)}
        </b>
      </span>
      {labels && (
        <span data-testid="label" data-code={code}>
          {code === 'background' ? words.t('study.label.background') : words.named(`tissue.${code}`)}
        </span>
      )}
      <span data-testid="voxel">{words.t('study.voxel', { x: at[0] + 1, y: at[1] + 1, z: at[2] + 1 })}</span>
      {look.placed && (
        <span data-testid="world">{worldText(toWorld(grid.affine, at), (mm) => words.number(mm, 1))} mm</span>
      )}
    </p>
  )
}

/** "R 24.0 A 11.0 S 38.0": the side is a letter, never a sign. */
export function worldText([x, y, z]: Vec3, show: (mm: number) => string): string {
  const side = (mm: number, low: string, high: string) => `${mm < 0 ? low : high} ${show(Math.abs(mm))}`
  return [side(x, 'L', 'R'), side(y, 'P', 'A'), side(z, 'I', 'S')].join('  ')
}

import type { Library } from '../viewer/library'
import { toWorld, type Vec3 } from '../viewer/space'
import { useWords } from '../words/useWords'
import { type Hover, useHover } from './hover'
import type { Look } from './paneScene'
import { readoutAt, valueText } from './readout'
import { drawnSequence } from './scene'

interface StatusLineProps {
  look: Look
  library: Library
  hover: Hover
}

/** Intensity, label and place under the pointer, or at the crosshair while the pointer is elsewhere. */
export function StatusLine({ look, library, hover }: StatusLineProps) {
  const words = useWords()
  const pointed = useHover(hover)
  const { scene, grid } = look
  const at = pointed?.at ?? scene.cursor
  // Where panes differ in what they show, the one under the pointer is read; elsewhere a key may have changed it under a resting pointer.
  const differ = scene.layout === 'reading' || scene.layout === 'sequences'
  const sequence = differ && pointed ? pointed.sequence : drawnSequence(scene)
  const mask = pointed?.mask === 'against' ? look.masks.against : look.masks.shown
  const readout = readoutAt(look, library, sequence, mask, at)
  const { code } = readout
  return (
    <p className="status-line numeric" data-testid="status" data-at={pointed ? 'pointer' : 'crosshair'}>
      <span>
        {words.named(`sequence.${sequence}`)} <b data-testid="intensity">{valueText(look, readout)}</b>
      </span>
      {code !== null && (
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

import type { Volumes } from '../api/types'
import { useWords } from '../words/useWords'

/** Above it the bar is full; a median glioma in BraTS is about 90 ml. */
const FULL_ML = 200

/** A tumour's tissues as one bar on a scale that is the same for all rows. The numbers stand beside it. */
export function VolumeBar({ ml }: { ml: Volumes }) {
  const words = useWords()
  const tissues = (['ncr', 'et', 'ed'] as const).map((tissue) => ({ tissue, share: Math.min(ml[tissue] / FULL_ML, 1) }))
  const label = tissues.map(({ tissue }) => `${words.t(`tissue.${tissue}`)} ${words.ml(ml[tissue])}`).join('\n')
  return (
    <span className="volume-bar" title={label} aria-hidden="true">
      {tissues.map(({ tissue, share }) => (
        <span key={tissue} className={`swatch ${tissue}`} style={{ width: `${share * 100}%` }} />
      ))}
    </span>
  )
}

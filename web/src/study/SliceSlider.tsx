import { profilePath } from '../viewer/profile'

interface SliceSliderProps {
  label: string
  /** What the slider says when it is read aloud: "78 / 155". */
  said: string
  index: number
  count: number
  /** Tumour area per slice, drawn on the track; null while nobody knows. */
  areas: Float64Array | null
  onIndex: (index: number) => void
}

const WIDTH = 400
const HEIGHT = 14

/** A slider through the slices of a plane: where the tumour is, is seen before scrolling. */
export function SliceSlider({ label, said, index, count, areas, onIndex }: SliceSliderProps) {
  return (
    <div className="slice-slider">
      {areas && (
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          <path d={profilePath(areas, WIDTH, HEIGHT)} />
        </svg>
      )}
      <input
        type="range"
        min={0}
        max={Math.max(0, count - 1)}
        value={index}
        aria-label={label}
        aria-valuetext={said}
        onChange={(event) => onIndex(Number(event.target.value))}
      />
    </div>
  )
}

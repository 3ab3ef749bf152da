import { Link } from '@tanstack/react-router'
import { type Dispatch, useCallback, useMemo } from 'react'
import type { Deeds } from '../viewer/paneGestures'
import { clampVoxel } from '../viewer/space'
import type { PaneSpec } from './arrangement'
import { PlanePane } from './PlanePane'
import type { PairChange, SideOf } from './pair'
import type { SeenStudy, ShownSide } from './useSide'

interface PairPaneProps {
  title: string
  study: SeenStudy
  shown: ShownSide
  which: SideOf
  dispatch: Dispatch<PairChange>
}

/** One of two studies: whose it is, its slice and its slider. */
export function PairPane({ title, study, shown, which, dispatch }: PairPaneProps) {
  const { look, library, profile } = shown
  const { plane, sequence } = look.scene
  const spec = useMemo<PaneSpec>(
    () => ({ key: String(which), plane, sequence, mask: 'shown', slice: null, small: false }),
    [which, plane, sequence],
  )
  const { shape } = look.grid
  const deeds = useCallback(
    (): Deeds => ({
      cursor: (at) => dispatch({ kind: 'go', side: which, to: clampVoxel(at, shape) }),
      step: (by) => dispatch({ kind: 'step', side: which, by }),
      window: (window) => dispatch({ kind: 'window', side: which, sequence, window }),
      zoom: (zoom) => dispatch({ kind: 'zoom', zoom }),
      ...UNUSED,
    }),
    [dispatch, which, shape, sequence],
  )
  const onHover = useCallback(() => undefined, [])
  return (
    <section className="pair-side" aria-label={title}>
      <h2 className="clip">
        <Link to="/studies/$id" params={{ id: study.id }} search={{}}>
          {title}
        </Link>
      </h2>
      <PlanePane
        look={look}
        spec={spec}
        library={library}
        profile={profile}
        deeds={deeds}
        onHover={onHover}
        onIndex={(index) => dispatch({ kind: 'slice', side: which, index })}
        chosen={false}
      />
    </section>
  )
}

const nothing = () => undefined
/** Here is looked, not measured or edited. */
const UNUSED = {
  ruler: nothing,
  paint: nothing,
  fill: nothing,
  pick: nothing,
  hover: nothing,
  probe: nothing,
  enlarge: nothing,
}

import type { Dispatch, Ref } from 'react'
import type { Library } from '../viewer/library'
import type { Deeds } from '../viewer/paneGestures'
import type { Profile } from '../viewer/profile'
import type { Cursor } from '../viewer/Viewer'
import type { Arrangement, PaneSpec } from './arrangement'
import { PlanePane } from './PlanePane'
import type { Look } from './paneScene'
import { SurfacePane } from './SurfacePane'
import type { Change } from './scene'

interface PaneGridProps {
  ref: Ref<HTMLDivElement>
  arrangement: Arrangement
  look: Look
  library: Library
  profile: Profile | null
  deeds: (spec: PaneSpec) => Deeds
  onHover: (at: Cursor, spec: PaneSpec) => void
  dispatch: Dispatch<Change>
}

/** The panes of a layout. The one that was touched last is the keys' own. */
export function PaneGrid({ ref, arrangement, look, library, profile, deeds, onHover, dispatch }: PaneGridProps) {
  const { columns, rows, panes, surface } = arrangement
  const several = new Set(panes.map((spec) => spec.plane)).size > 1
  return (
    <div
      className="panes"
      ref={ref}
      data-layout={look.scene.layout}
      style={{
        gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`,
        gridTemplateRows: `repeat(${rows}, minmax(0, 1fr))`,
      }}
    >
      {panes.map((spec, i) => (
        <div
          key={spec.slice === null ? `${spec.plane} ${i}` : i}
          className="pane-cell"
          onPointerDown={() => dispatch({ kind: 'plane', plane: spec.plane })}
          onWheel={() => dispatch({ kind: 'plane', plane: spec.plane })}
        >
          <PlanePane
            look={look}
            spec={spec}
            library={library}
            profile={profile}
            deeds={deeds}
            onHover={onHover}
            onIndex={(index) => dispatch({ kind: 'slice', plane: spec.plane, index })}
            chosen={several && spec.plane === look.scene.plane}
          />
        </div>
      ))}
      {surface && <SurfacePane look={look} library={library} />}
    </div>
  )
}

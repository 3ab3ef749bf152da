import { type Dispatch, useEffect } from 'react'
import type { Series } from '../api/types'
import type { Library } from '../viewer/library'
import { sameVec } from '../viewer/space'
import type { Volume } from '../viewer/volume'
import type { Change, Scene } from './scene'

export interface Shelf {
  library: Library
  series: readonly Series[]
  revision: number
}

/** Loads all sequences before they are asked for, the one on screen first; gives the first that is there, for its grid. */
export function useVolumes(
  { library, series, revision }: Shelf,
  scene: Scene,
  dispatch: Dispatch<Change>,
): Volume | null {
  const { sequence } = scene
  useEffect(() => {
    let gone = false
    const first = series.find((one) => one.sequence === sequence)
    const order = first ? [first, ...series.filter((one) => one !== first)] : series
    const load = async () => {
      const [now, ...later] = order
      if (!now) return
      // The one on screen has the line and the processor for itself.
      await library.loadVolume(now.url)
      if (!gone) for (const one of later) void library.loadVolume(one.url)
    }
    void load()
    return () => {
      gone = true
    }
  }, [library, series, sequence])

  const volume =
    revision >= 0 ? (series.map((one) => library.volume(one.url)).find((one) => one !== null) ?? null) : null
  const shape = volume?.grid.shape
  const known = scene.shape
  useEffect(() => {
    if (shape && !sameVec(shape, known)) dispatch({ kind: 'grid', shape, cursor: null })
  }, [shape, known, dispatch])
  return volume
}

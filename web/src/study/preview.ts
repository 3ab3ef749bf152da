/** The server's own picture of a slice, for the moment before a volume is there and for browsers that get none. */

import { address } from '../api/client'
import type { SegmentationRow, Series } from '../api/types'
import type { PaneSpec } from './arrangement'

export function previewUrl(mask: SegmentationRow | null): (series: Series, spec: PaneSpec, slice: number) => string {
  return (series, spec, slice) =>
    address(`series/${series.id}/slice.png`, {
      plane: spec.plane,
      index: slice,
      lo: series.window[0],
      hi: series.window[1],
      mask: mask?.id,
    })
}

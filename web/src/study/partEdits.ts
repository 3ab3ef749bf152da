/** The corrections of one click: a part of the tumour deleted, given another tissue, or kept alone; and filling between slices. */

import { componentAt, TUMOUR } from '../viewer/components'
import type { Stroke } from '../viewer/edit/history'
import { between } from '../viewer/edit/interpolate'
import type { PaintRule } from '../viewer/edit/rule'
import { allows } from '../viewer/edit/rule'
import { offsetOf, type Plane, type Vec3 } from '../viewer/space'
import type { Labels, Values } from '../viewer/volume'
import type { Tissue } from './scene'

/** A part is all tumour that hangs together, or all of one tissue that does. */
export type PartOf = 'tumour' | 'tissue'

export function partAt(labels: Labels, seed: Vec3, of: PartOf): Uint32Array<ArrayBuffer> {
  const { shape } = labels.grid
  const code = labels.values[offsetOf(seed, shape)] ?? 0
  return componentAt(labels.values, shape, seed, of === 'tumour' || code === 0 ? TUMOUR : (other) => other === code)
}

/** Whether nothing of the tumour lies outside of a part. */
export function isAll(labels: Labels, part: Uint32Array): boolean {
  let tumour = 0
  for (const code of labels.values) if (code !== 0) tumour++
  return tumour === part.length
}

export function deletePart(stroke: Stroke, part: Uint32Array): void {
  for (const at of part) stroke.set(at, 0)
}

export function relabelPart(stroke: Stroke, part: Uint32Array, tissue: Tissue): void {
  for (const at of part) stroke.set(at, tissue)
}

export function keepPart(stroke: Stroke, labels: Labels, part: Uint32Array): void {
  const kept = new Uint8Array(labels.values.length)
  for (const at of part) kept[at] = 1
  for (let at = 0; at < kept.length; at++) if (!kept[at] && labels.values[at] !== 0) stroke.set(at, 0)
}

/** Fills the empty slices between those that have the tissue, where the rule allows. */
export function fillBetween(
  stroke: Stroke,
  labels: Labels,
  plane: Plane,
  tissue: Tissue,
  rule: { rule: PaintRule; image: Values | null },
): void {
  const may = allows(rule.rule, labels.values, rule.image)
  for (const at of between(labels.values, labels.grid, plane, tissue)) if (may(at)) stroke.set(at, tissue)
}

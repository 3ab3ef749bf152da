import { useMemo, useState } from 'react'
import { Button } from '../ui/Button'
import { Dialog } from '../ui/Dialog'
import { Radios } from '../ui/Field'
import { offsetOf, type Vec3 } from '../viewer/space'
import type { Labels } from '../viewer/volume'
import { useWords } from '../words/useWords'
import type { Editing } from './Editing'
import { deletePart, isAll, keepPart, type PartOf, partAt, relabelPart } from './partEdits'
import type { Tissue } from './scene'

interface PartDialogProps {
  seed: Vec3
  labels: Labels
  editing: Editing
  begin: () => boolean
  onClose: () => void
}

const KEYS = ['ncr', 'ed', 'et'] as const

/** The commonest corrections, one click each: the part under the pointer is deleted, becomes another tissue, or is all that stays. */
export function PartDialog({ seed, labels, editing, begin, onClose }: PartDialogProps) {
  const { t, ml, named } = useWords()
  const [of, setOf] = useState<PartOf>('tumour')
  const code = labels.values[offsetOf(seed, labels.grid.shape)] ?? 0
  const part = useMemo(() => partAt(labels, seed, of), [labels, seed, of])
  const all = useMemo(() => isAll(labels, part), [labels, part])
  const [x, y, z] = labels.grid.spacing
  const change = (work: Parameters<Editing['step']>[0]) => {
    if (begin()) editing.step(work)
    onClose()
  }
  return (
    <Dialog title={t('study.part')} closeLabel={t('do.close')} onClose={onClose}>
      <Radios
        label={t('study.part.of')}
        value={of}
        options={[
          { value: 'tumour', label: t('study.part.tumour') },
          {
            value: 'tissue',
            label: t('study.part.tissue', { tissue: named(`study.tissue.${KEYS[code - 1] ?? 'ed'}`) }),
          },
        ]}
        onChosen={setOf}
      />
      <p>
        <span className="numeric">{ml((part.length * x * y * z) / 1000)}</span>
        {all && <span className="quiet-text"> · {t('study.part.all')}</span>}
      </p>
      <div className="part-actions">
        <Button look="danger" onClick={() => change((stroke) => deletePart(stroke, part))}>
          {t('study.part.delete')}
        </Button>
        <Button disabled={all} onClick={() => change((stroke, mask) => keepPart(stroke, mask, part))}>
          {t('study.part.keep')}
        </Button>
        {([1, 2, 3] as const satisfies readonly Tissue[]).map((tissue) => (
          <Button
            key={tissue}
            disabled={of === 'tissue' && tissue === code}
            onClick={() => change((stroke) => relabelPart(stroke, part, tissue))}
          >
            {t('study.part.relabel', { tissue: named(`study.tissue.${KEYS[tissue - 1] ?? 'ed'}`) })}
          </Button>
        ))}
      </div>
    </Dialog>
  )
}

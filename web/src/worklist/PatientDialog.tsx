import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { patch } from '../api/client'
import type { Patient } from '../api/types'
import { Button, SubmitButton } from '../ui/Button'
import { Dialog } from '../ui/Dialog'
import { Field } from '../ui/Field'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'

/** Name and year of birth of a patient, which the server keeps apart from the images. */
export function PatientDialog({ patient, onClose }: { patient: Patient; onClose: () => void }) {
  const { t } = useWords()
  const client = useQueryClient()
  const [name, setName] = useState(patient.name ?? '')
  const [born, setBorn] = useState(patient.birth_year === null ? '' : String(patient.birth_year))
  const change = useMutation({
    // An empty name or year is taken away.
    mutationFn: () => patch(`patients/${patient.id}`, { name: name.trim(), birth_year: Number(born) }),
    onSuccess: async () => {
      onClose()
      await Promise.all(['patients', 'studies'].map((list) => client.invalidateQueries({ queryKey: [list] })))
    },
  })
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    change.mutate()
  }
  return (
    <Dialog title={patient.pseudonym} closeLabel={t('do.close')} onClose={onClose}>
      <form className="stack" onSubmit={onSubmit}>
        <Field
          label={t('upload.name')}
          value={name}
          maxLength={200}
          autoComplete="off"
          onChange={(event) => setName(event.target.value)}
        />
        <Field
          label={t('upload.birth_year')}
          type="number"
          min={1900}
          max={2100}
          value={born}
          onChange={(event) => setBorn(event.target.value)}
        />
        {change.error && <FailureNotice error={change.error} />}
        <div className="row-actions">
          <SubmitButton disabled={change.isPending}>{t('do.save')}</SubmitButton>
          <Button onClick={onClose}>{t('do.cancel')}</Button>
        </div>
      </form>
    </Dialog>
  )
}

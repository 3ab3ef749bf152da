import type { Patient } from '../api/types'
import { Choice, Field } from '../ui/Field'
import { useWords } from '../words/useWords'

export interface GroupForm {
  /** An existing patient's id; empty: a new one. */
  patient: string
  date: string
  name: string
  birthYear: string
}

export const noForm: GroupForm = { patient: '', date: '', name: '', birthYear: '' }

interface GroupFieldsProps {
  form: GroupForm
  patients: readonly Patient[]
  onChanged: (form: GroupForm) => void
}

/** Whose examination it is, and of which day. All of it may stay empty. */
export function GroupFields({ form, patients, onChanged }: GroupFieldsProps) {
  const { t } = useWords()
  const set = (change: Partial<GroupForm>) => onChanged({ ...form, ...change })
  return (
    <div className="group-fields">
      <Choice
        label={t('upload.patient')}
        value={form.patient}
        options={[
          { value: '', label: t('upload.patient.new') },
          ...patients.map((patient) => ({
            value: patient.id,
            label: patient.name ? `${patient.pseudonym} · ${patient.name}` : patient.pseudonym,
          })),
        ]}
        onChosen={(patient) => set({ patient })}
      />
      <Field
        label={t('upload.date')}
        type="date"
        value={form.date}
        onChange={(event) => set({ date: event.target.value })}
      />
      {form.patient === '' && (
        <>
          <Field
            label={t('upload.name')}
            value={form.name}
            maxLength={200}
            autoComplete="off"
            onChange={(event) => set({ name: event.target.value })}
          />
          <Field
            label={t('upload.birth_year')}
            type="number"
            min={1900}
            max={2100}
            value={form.birthYear}
            onChange={(event) => set({ birthYear: event.target.value })}
          />
        </>
      )}
    </div>
  )
}

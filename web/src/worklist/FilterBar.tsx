import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Download, Trash2, X } from 'lucide-react'
import { address } from '../api/client'
import { queries } from '../api/queries'
import { Button } from '../ui/Button'
import { Choice, Field } from '../ui/Field'
import { Popover } from '../ui/Popover'
import { useWords } from '../words/useWords'
import { type Filter, isNarrowed, queryOf, type Sort, type StateFilter, sorts, states } from './filter'

export function FilterBar({ filter, total }: { filter: Filter; total: number | undefined }) {
  const { t, day } = useWords()
  const navigate = useNavigate({ from: '/' })
  const models = useQuery(queries.models())
  const set = (change: Partial<Filter>) =>
    void navigate({ to: '/', search: (before) => ({ ...before, ...change }), replace: true })
  const dated = [filter.date_from, filter.date_to].map((date) => (date ? day(date) : '…')).join(' – ')
  const volumes = (['wt', 'tc', 'et'] as const).flatMap((region) => {
    const [min, max] = [filter[`${region}_min`], filter[`${region}_max`]]
    return min || max ? [`${t(`region.${region}.short`)} ${min ?? 0}–${max ?? '…'} ml`] : []
  })
  return (
    <div className="filter-bar">
      <Choice<StateFilter | ''>
        label={t('worklist.filter.state')}
        value={filter.state ?? ''}
        options={[
          { value: '', label: t('worklist.filter.any') },
          ...states.map((state) => ({
            value: state,
            label: t(
              state === 'queued' || state === 'running' || state === 'failed' ? `job.${state}` : `state.${state}`,
            ),
          })),
        ]}
        onChosen={(state) => set({ state: state || undefined })}
      />
      <Choice
        label={t('worklist.filter.model')}
        value={filter.model ?? ''}
        options={[
          { value: '', label: t('worklist.filter.any') },
          ...(models.data ?? []).map((model) => ({ value: model.id, label: model.name })),
        ]}
        onChosen={(model) => set({ model: model || undefined })}
      />
      <Popover
        label={filter.date_from || filter.date_to ? dated : t('worklist.filter.date')}
        active={Boolean(filter.date_from || filter.date_to)}
      >
        <Field
          label={t('worklist.filter.from')}
          type="date"
          value={filter.date_from ?? ''}
          onChange={(event) => set({ date_from: event.target.value || undefined })}
        />
        <Field
          label={t('worklist.filter.to')}
          type="date"
          value={filter.date_to ?? ''}
          onChange={(event) => set({ date_to: event.target.value || undefined })}
        />
      </Popover>
      <Popover
        label={volumes.length > 0 ? volumes.join(', ') : t('worklist.filter.volume')}
        active={volumes.length > 0}
      >
        {(['wt', 'tc', 'et'] as const).map((region) => (
          <fieldset key={region} className="range">
            <legend>{t(`worklist.filter.${region}`)}</legend>
            {(['min', 'max'] as const).map((end) => (
              <input
                key={end}
                type="number"
                min={0}
                step="any"
                aria-label={t(`worklist.filter.${end}`, { what: t(`worklist.filter.${region}`) })}
                placeholder={end === 'min' ? '0' : '…'}
                value={filter[`${region}_${end}`] ?? ''}
                onChange={(event) => set({ [`${region}_${end}`]: event.target.value || undefined })}
              />
            ))}
          </fieldset>
        ))}
      </Popover>
      {isNarrowed(filter) && (
        <Button
          look="quiet"
          icon={<X size={14} />}
          onClick={() => void navigate({ to: '/', search: filter.bin ? { bin: 'true' } : {} })}
        >
          {t('worklist.filter.clear')}
        </Button>
      )}
      <span className="filter-end">
        {total !== undefined && <span className="quiet-text">{t('worklist.count', { n: total })}</span>}
        <Choice<Sort>
          label={t('worklist.sort')}
          hideLabel
          value={filter.sort ?? 'newest'}
          options={sorts.map((sort) => ({ value: sort, label: t(`worklist.sort.${sort}`) }))}
          onChosen={(sort) => set({ sort: sort === 'newest' ? undefined : sort })}
        />
        {!filter.bin && (
          <a
            className="button quiet"
            href={address('exports/cohort.csv', queryOf(filter))}
            download
            title={t('worklist.export.csv')}
          >
            <Download size={14} aria-hidden="true" />
            CSV
          </a>
        )}
        <Button
          look="quiet"
          icon={<Trash2 size={14} />}
          pressed={filter.bin === 'true'}
          onClick={() => void navigate({ to: '/', search: filter.bin ? {} : { bin: 'true' } })}
        >
          {t('worklist.bin')}
        </Button>
      </span>
    </div>
  )
}

import { Link } from '@tanstack/react-router'
import type { SegmentationState, StudyRow } from '../api/types'
import { Mark, type Tone } from '../ui/Notice'
import { useWords } from '../words/useWords'
import { VolumeBar } from './VolumeBar'

const tones: Record<SegmentationState, Tone | 'quiet'> = {
  draft: 'quiet',
  edited: 'note',
  accepted: 'good',
  rejected: 'bad',
}

/** The three cells of a study that is not being segmented: volumes, warnings, state. */
export function StudyResult({ row, editor }: { row: StudyRow; editor: boolean }) {
  const { t, ml } = useWords()
  const found = row.segmentation
  if (!found) {
    return (
      <td colSpan={3} className="cell-job">
        {row.state === 'incomplete' ? (
          <span className="job-line">
            <Mark tone="caution">{t('state.incomplete')}</Mark>
            <span>
              {t('worklist.missing', { what: row.missing.map((sequence) => t(`sequence.${sequence}`)).join(', ') })}
            </span>
            {editor && (
              <Link to="/upload" search={{ study: row.id }}>
                {t('worklist.add_missing')}
              </Link>
            )}
          </span>
        ) : (
          <Mark tone="quiet">{t('state.unsegmented')}</Mark>
        )}
      </td>
    )
  }
  const texts = found.warnings.map((warning) => warning.text).join('\n')
  return (
    <>
      <td className="cell-volumes">
        <div className="volumes">
          <span className="figures" title={t('region.wt')}>
            <abbr>{t('region.wt.short')}</abbr> {ml(found.ml.wt)}
          </span>
          <span className="figures tc" title={t('region.tc')}>
            <abbr>{t('region.tc.short')}</abbr> {ml(found.ml.tc)}
          </span>
          <span className="figures" title={t('region.et')}>
            <abbr>{t('region.et.short')}</abbr> {ml(found.ml.et)}
          </span>
          <VolumeBar ml={found.ml} />
        </div>
      </td>
      <td className="cell-warnings">
        {row.warnings > 0 ? (
          <Mark tone="caution" title={texts || undefined}>
            {t('worklist.warnings', { n: row.warnings })}
          </Mark>
        ) : (
          <span className="quiet-text">{t('worklist.no_warning')}</span>
        )}
      </td>
      <td className="cell-state">
        <Mark tone={tones[found.state]} title={found.model?.name}>
          {t(`state.${found.state}`)}
        </Mark>
        {found.created_by && found.source === 'edit' && <span className="quiet-text author">{found.created_by}</span>}
      </td>
    </>
  )
}

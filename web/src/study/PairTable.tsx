import type { SegmentationRow, Study } from '../api/types'
import { useWords } from '../words/useWords'

/** The newest version of a study's mask. */
function newestOf({ segmentations }: Study): SegmentationRow | null {
  return segmentations.reduce<SegmentationRow | null>(
    (newest, row) => (newest && newest.number > row.number ? newest : row),
    null,
  )
}

/** Volumes of both, and the change in millilitres and percent from the left to the right. */
export function PairTable({ left, right }: { left: Study; right: Study }) {
  const words = useWords()
  const { t, named } = words
  const [before, after] = [newestOf(left), newestOf(right)]
  const said = (row: SegmentationRow | null) =>
    row ? `${t('study.version', { n: row.number })}, ${named(`state.${row.state}`)}` : t('state.unsegmented')
  const share = (from: number, to: number) =>
    from === 0 || from === to ? '' : `${to < from ? '−' : '+'}${words.number((Math.abs(to - from) / from) * 100)} %`
  return (
    <section>
      <h3>{t('compare.change')}</h3>
      <table className="regions pair-table">
        <thead>
          <tr>
            <td />
            <th scope="col">{t('compare.left')}</th>
            <th scope="col">{t('compare.right')}</th>
            <th scope="col">{t('compare.change')}</th>
          </tr>
        </thead>
        <tbody>
          {(['wt', 'tc', 'et', 'ncr', 'ed'] as const).map((key) => (
            <tr key={key}>
              <th scope="row" title={named(key === 'ncr' || key === 'ed' ? `tissue.${key}` : `region.${key}`)}>
                {key === 'ncr' || key === 'ed' ? named(`study.tissue.${key}`) : named(`region.${key}.short`)}
              </th>
              <td className="numeric">{before ? words.ml(before.ml[key]) : '–'}</td>
              <td className="numeric">{after ? words.ml(after.ml[key]) : '–'}</td>
              <td className="numeric">
                {before && after ? (
                  <>
                    {words.mlChange(after.ml[key] - before.ml[key])}{' '}
                    <span className="quiet-text">{share(before.ml[key], after.ml[key])}</span>
                  </>
                ) : (
                  '–'
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="facts quiet-text">
        {t('compare.left')}: {said(before)}
      </p>
      <p className="facts quiet-text">
        {t('compare.right')}: {said(after)}
      </p>
      {left.patient.id !== right.patient.id && <p className="facts">{t('compare.patients')}</p>}
    </section>
  )
}

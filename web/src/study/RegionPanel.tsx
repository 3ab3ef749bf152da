import type { Volumes } from '../api/types'
import { useWords } from '../words/useWords'

interface RegionPanelProps {
  ml: Volumes
  /** Volumes of the version that is being edited, to tell what changed. */
  before: Volumes | null
}

const REGIONS = ['wt', 'tc', 'et'] as const
const TISSUES = ['ncr', 'ed', 'et'] as const

/** Millilitres of the regions with bars, and of the tissues. */
export function RegionPanel({ ml, before }: RegionPanelProps) {
  const words = useWords()
  const most = Math.max(ml.wt, 1e-9)
  return (
    <>
      <table className="regions">
        <caption className="unseen">{words.t('study.volumes')}</caption>
        <tbody>
          {REGIONS.map((region) => (
            <tr key={region} data-region={region}>
              <th scope="row">
                {words.named(`region.${region}`)} <small>{words.named(`region.${region}.short`)}</small>
              </th>
              <td className="numeric">{words.ml(ml[region])}</td>
              {before ? (
                <td className="numeric quiet-text">{words.mlChange(ml[region] - before[region])}</td>
              ) : (
                <td className="region-bar" aria-hidden="true">
                  <span style={{ width: `${(100 * ml[region]) / most}%` }} data-region={region} />
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
      <dl className="tissues">
        {TISSUES.map((tissue) => (
          <div key={tissue}>
            <dt title={words.named(`tissue.${tissue}`)}>
              <span className={`swatch ${tissue}`} aria-hidden="true" />
              {words.named(`study.tissue.${tissue}`)}
            </dt>
            <dd className="numeric">{words.ml(ml[tissue])}</dd>
          </div>
        ))}
      </dl>
    </>
  )
}

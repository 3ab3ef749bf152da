import { Link, useSearch } from '@tanstack/react-router'
import { Tabs } from '../ui/Tabs'
import { useWords } from '../words/useWords'
import { EvaluationList } from './EvaluationList'
import { ModelList } from './ModelList'
import { RunList } from './RunList'

/** Models and what they are worth, training as it goes, evaluations as they came out. */
export function ModelsPage() {
  const { t } = useWords()
  const { tab } = useSearch({ from: '/models' })
  return (
    <div className="page">
      <h1>{t('models.title')}</h1>
      <Tabs label={t('models.title')}>
        <Link to="/models" search={{}} activeOptions={{ exact: true }}>
          {t('models.tab.models')}
        </Link>
        <Link to="/models" search={{ tab: 'training' }}>
          {t('models.tab.training')}
        </Link>
        <Link to="/models" search={{ tab: 'evaluations' }}>
          {t('models.tab.evaluations')}
        </Link>
      </Tabs>
      {tab === undefined && <ModelList />}
      {tab === 'training' && <RunList />}
      {tab === 'evaluations' && <EvaluationList />}
    </div>
  )
}

import { useParams } from '@tanstack/react-router'
import { StudyPage } from '../study/StudyPage'

/** The viewer, mounted anew for each study; loaded only when the first study is opened. */
export function StudyRoute() {
  const { id } = useParams({ from: '/studies/$id' })
  return <StudyPage key={id} studyId={id} />
}

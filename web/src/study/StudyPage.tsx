/** The viewer's page: `/studies/$id`. Mounted anew for each study. */
export function StudyPage({ studyId }: { studyId: string }) {
  return <p>{studyId}</p>
}

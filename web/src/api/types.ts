/**
 * The page's names for the shapes of the server's JSON, which schema.gen.ts holds (`npm run api` writes it).
 * Times are RFC 3339 in UTC, dates YYYY-MM-DD. What stands here in full is not in the API's description.
 */
import type { components } from './schema.gen'

type Schemas = components['schemas']

export type Role = Schemas['Role']
export type SequenceKey = Schemas['Sequence']
export type FileRole = Schemas['Content']
export type LabelScheme = Schemas['Scheme']
export type TissueKey = TissueEntry['key']
export type RegionKey = keyof Schemas['RegionVolumes']
export type StudyState = Schemas['StudyState']
export type SegmentationSource = Schemas['SegmentationSource']
export type SegmentationState = Schemas['SegmentationState']
export type JobState = Schemas['JobState']
export type Triple = [number, number, number]

/** The form of every list; the description names each apart, such as `List_StudyRow`. */
export type Page<T> = Omit<Schemas['List_StudyRow'], 'items'> & { items: T[] }

export type Person = Schemas['Person']
export type Session = Schemas['Session']
export type User = Schemas['User']
export type ApiToken = Schemas['Token']
export type MadeToken = Schemas['MadeToken']
export type AuditEntry = Schemas['AuditEntry']
export type AuditVerdict = Schemas['AuditVerdict']

export type Patient = Schemas['Patient']
export type PatientVolumes = Schemas['PatientVolumes']
export type StudyRow = Schemas['StudyRow']
export type Study = Schemas['Study']
export type DemoStudy = Schemas['DemoStudy']
export type Series = Schemas['Series']

export type Volumes = Schemas['Volumes']
export type SegmentationRow = Schemas['SegmentationRow']
export type SegmentationDetail = Schemas['SegmentationDetail']
export type Comparison = Schemas['Comparison']
export type JobRow = Schemas['JobRow']

export type UploadProblem = Schemas['UploadProblem']
export type UploadFile = Schemas['UploadFile']
export type UploadGroup = Schemas['UploadGroup']
export type Upload = Schemas['Upload']
export type CommitGroup = Schemas['CommitGroup']
export type Committed = Schemas['Committed']

export type Model = Schemas['Model']
export type Run = Schemas['Run']
export type Evaluation = Schemas['Evaluation']
export type TissueEntry = Schemas['TissueEntry']

/** RFC 9457. The page makes some itself, when no server answered: their codes are its own. */
export type Problem = Omit<Schemas['Problem'], 'type' | 'code'> & { type?: string; code: string }

/** One line of a training run's metrics: the step and whatever numbers were written at it. */
export type Metric = { step: number } & Record<string, number | string | null>

/** What the stream of events tells; OpenAPI cannot describe its parts. */
export type ServerEvent =
  | { kind: 'job'; job: JobRow }
  | { kind: 'study'; id: string }
  | { kind: 'upload'; id: string }
  /** Something was not told: all that is shown should be asked for anew. */
  | { kind: 'missed' }

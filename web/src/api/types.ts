/** The shapes of the server's JSON, as docs/openapi.json says them. Times are RFC 3339 in UTC, dates YYYY-MM-DD. */

export type Role = 'viewer' | 'editor' | 'admin'
export type SequenceKey = 't1n' | 't1c' | 't2w' | 't2f'
export type FileRole = SequenceKey | 'mask'
export type LabelScheme = 'brats2020' | 'brats2023' | 'msd'
export type TissueKey = 'ncr' | 'ed' | 'et'
export type RegionKey = 'wt' | 'tc' | 'et'
export type StudyState = 'incomplete' | 'ready'
export type SegmentationSource = 'model' | 'edit' | 'reference'
export type SegmentationState = 'draft' | 'edited' | 'accepted' | 'rejected'
export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled'
export type Triple = [number, number, number]

export interface Page<T> {
  items: T[]
  next: string | null
  total: number
}

export interface Person {
  name: string
  role: Role
  /** The account's id; null where the server runs without accounts. */
  user: string | null
}

export interface Session {
  /** null: nobody is logged in, and a login is demanded. */
  person: Person | null
  login_required: boolean
  version: string
  research_use: string
}

export interface User {
  id: string
  name: string
  role: Role
  created_at: string
  disabled_at: string | null
}

export interface ApiToken {
  id: string
  name: string
  scope: 'read' | 'write'
  expires_at: string
  created_at: string
  last_used_at: string | null
}

/** The secret is told once, in the answer that makes the token. */
export interface MadeToken {
  secret: string
  token: ApiToken
}

export interface AuditEntry {
  id: number
  at: string
  /** The id of an account, `local`, `command-line` or `unknown`. */
  user_key: string
  action: string
  object_kind: string
  /** Empty for many. */
  object_id: string
  detail: unknown
  hash: string
}

export interface AuditVerdict {
  entries: number
  whole: boolean
  broken: string | null
  last: string
}

export interface Patient {
  id: string
  pseudonym: string
  name?: string | null
  birth_year?: number | null
  n_studies: number
  created_at: string
}

export interface PatientVolumes {
  study_id: string
  date: string | null
  ml: { wt: number; tc: number; et: number }
}

export interface Warning {
  code: string
  text: string
}

/** Millilitres by tissue and by region. */
export interface Volumes {
  ncr: number
  ed: number
  et: number
  wt: number
  tc: number
}

export interface SegmentationRow {
  id: string
  study_id?: string
  number: number
  source: SegmentationSource
  state: SegmentationState
  parent_id: string | null
  model: { id: string; name: string } | null
  ml: Volumes
  warnings: Warning[]
  components: { wt: number; tc: number; et: number }
  /** The longest in a slice, by region; null where the region is empty. */
  diameters_mm: { wt: number | null; tc: number | null; et: number | null }
  confidence: unknown
  created_by: string | null
  created_at: string
  decided_by?: string | null
  decided_at?: string | null
  note?: string
  labels_url: string
}

export interface SegmentationDetail extends SegmentationRow {
  /** The report of the segmentation as the program writes it: components, diameters, warnings. */
  report: unknown
}

export interface Comparison {
  ml: Partial<Volumes>
  dice: Partial<Record<RegionKey, number | null>>
}

export interface JobFailure {
  code: string
  detail: string
}

export interface JobRow {
  id: string
  study_id: string
  state: JobState
  attempt: number
  /** 1 is the next to run; null when it is not waiting. */
  position: number | null
  stage: string | null
  /** 0 to 1. */
  share: number
  eta_seconds: number | null
  failure: JobFailure | null
  segmentation_id: string | null
  created_at: string
  ended_at: string | null
}

export interface StudyRow {
  id: string
  patient: { id: string; pseudonym: string; name?: string | null }
  date: string | null
  state: StudyState
  sequences: SequenceKey[]
  missing: SequenceKey[]
  segmentation?: SegmentationRow | null
  warnings: number
  job?: JobRow | null
  thumbnail: string | null
  created_at: string
  /** Set in the bin only. */
  removed_at?: string | null
}

export interface Series {
  id: string
  sequence: SequenceKey
  url: string
  /** The 0.5th and the 99.5th percentile inside the brain. */
  window: [number, number]
  guessed: boolean
}

export interface Study extends StudyRow {
  notes: string
  shape: Triple | null
  spacing: Triple | null
  series: Series[]
  /** Newest first. */
  segmentations: SegmentationRow[]
  /** First and last voxel of the brain, in RAS order; what fills the panes. */
  brain: [Triple, Triple] | null
  /** Voxel to begin at: largest tumour slice, or the middle of the brain. */
  centre: Triple | null
}

export interface UploadProblem {
  file_id?: string | null
  code: string
  detail: string
}

export interface UploadFile {
  id: string
  name: string
  bytes: number
  state: 'receiving' | 'stored' | 'refused'
  sequence: FileRole | null
  guessed: boolean
  scheme: LabelScheme | null
  shape: Triple | null
  spacing: Triple | null
  orientation: string | null
  problem: UploadProblem | null
}

export interface UploadGroup {
  key: string
  title: string
  files: UploadFile[]
  missing: SequenceKey[]
  problems: UploadProblem[]
  ready: boolean
}

export interface Upload {
  id: string
  groups: UploadGroup[]
}

export interface CommitGroup {
  key: string
  patient_id?: string
  study_id?: string
  date?: string
  name?: string
  birth_year?: number
  segment: boolean
}

export interface Committed {
  studies: { group: string; study_id: string; job_id: string | null }[]
}

/** The card is written by the training program; what is shown of it is read with care. */
export interface Model {
  id: string
  name: string
  sha256: string
  active: boolean
  /** Shipped with the program. */
  embedded: boolean
  created_at: string
  card: Record<string, unknown>
}

export interface Run {
  name: string
  state?: string | null
  step?: number | null
  steps?: number | null
  started_at?: string | null
  updated_at?: string | null
}

/** One line of a training run's metrics: the step and whatever numbers were written at it. */
export type Metric = { step: number } & Record<string, number | string | null>

export interface Evaluation {
  name: string
  created_at?: string | null
  /** The evaluation's metrics.json as the program wrote it. */
  metrics?: unknown
  report_url?: string | null
}

export interface TissueEntry {
  code: number
  key: TissueKey
  colour: string
  name_en: string
  name_ko: string
}

/** RFC 9457. */
export interface Problem {
  type?: string
  title: string
  status: number
  code: string
  detail: string
  instance?: string
  errors?: { file?: string; field?: string; code: string; detail: string }[]
}

export type ServerEvent = { kind: 'job'; job: JobRow } | { kind: 'study'; id: string } | { kind: 'upload'; id: string }

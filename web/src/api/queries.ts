import { queryOptions } from '@tanstack/react-query'
import { get, type Query } from './client'
import type {
  ApiToken,
  AuditEntry,
  Evaluation,
  JobRow,
  Model,
  Page,
  Patient,
  PatientVolumes,
  Run,
  SegmentationDetail,
  Session,
  Study,
  StudyRow,
  TissueEntry,
  Upload,
  User,
} from './types'

/** Some lists come bare, some in pages: both are read. */
async function list<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T[]> {
  const answer = await get<T[] | Page<T>>(path, query, signal)
  return Array.isArray(answer) ? answer : answer.items
}

/** Server facts and where they are kept. Every page asks through these, so that one event refreshes all of them. */
export const queries = {
  session: () =>
    queryOptions({
      queryKey: ['session'],
      queryFn: ({ signal }) => get<Session>('session', {}, signal),
      staleTime: 60_000,
    }),
  studies: (filter: Query) =>
    queryOptions({
      queryKey: ['studies', filter],
      queryFn: ({ signal }) => get<Page<StudyRow>>('studies', filter, signal),
    }),
  study: (id: string) =>
    queryOptions({ queryKey: ['study', id], queryFn: ({ signal }) => get<Study>(`studies/${id}`, {}, signal) }),
  segmentation: (id: string) =>
    queryOptions({
      queryKey: ['segmentation', id],
      queryFn: ({ signal }) => get<SegmentationDetail>(`segmentations/${id}`, {}, signal),
    }),
  jobs: () => queryOptions({ queryKey: ['jobs'], queryFn: ({ signal }) => list<JobRow>('jobs', {}, signal) }),
  patients: (search: string) =>
    queryOptions({
      queryKey: ['patients', search],
      queryFn: ({ signal }) => list<Patient>('patients', { search, sort: 'pseudonym', limit: 200 }, signal),
    }),
  patientVolumes: (id: string) =>
    queryOptions({
      queryKey: ['patient-volumes', id],
      queryFn: ({ signal }) => list<PatientVolumes>(`patients/${id}/volumes`, {}, signal),
    }),
  uploads: () => queryOptions({ queryKey: ['uploads'], queryFn: ({ signal }) => list<Upload>('uploads', {}, signal) }),
  upload: (id: string) =>
    queryOptions({ queryKey: ['upload', id], queryFn: ({ signal }) => get<Upload>(`uploads/${id}`, {}, signal) }),
  models: () => queryOptions({ queryKey: ['models'], queryFn: ({ signal }) => list<Model>('models', {}, signal) }),
  runs: () => queryOptions({ queryKey: ['runs'], queryFn: ({ signal }) => list<Run>('runs', {}, signal) }),
  evaluations: () =>
    queryOptions({ queryKey: ['evaluations'], queryFn: ({ signal }) => list<Evaluation>('evaluations', {}, signal) }),
  tissues: () =>
    queryOptions({
      queryKey: ['regions'],
      queryFn: ({ signal }) => list<TissueEntry>('regions', {}, signal),
      staleTime: Number.POSITIVE_INFINITY,
    }),
  users: () => queryOptions({ queryKey: ['users'], queryFn: ({ signal }) => list<User>('users', {}, signal) }),
  tokens: () => queryOptions({ queryKey: ['tokens'], queryFn: ({ signal }) => list<ApiToken>('tokens', {}, signal) }),
  audit: (filter: Query) =>
    queryOptions({
      queryKey: ['audit', filter],
      queryFn: ({ signal }) => get<Page<AuditEntry>>('audit', filter, signal),
    }),
}

import { ROOT } from './client'
import type { JobRow, SegmentationRow, StudyRow, UploadFile } from './types'

/** Rows for tests, as the server would send them. */
export function aStudy(id: string, change: Partial<StudyRow> = {}): StudyRow {
  return {
    id,
    patient: { id: `patient-${id}`, pseudonym: `P-${id.padStart(4, '0')}`, name: null },
    date: '2026-11-03',
    state: 'ready',
    sequences: ['t1n', 't1c', 't2w', 't2f'],
    missing: [],
    segmentation: null,
    warnings: 0,
    job: null,
    thumbnail: null,
    created_at: '2026-11-24T10:00:00Z',
    removed_at: null,
    ...change,
  }
}

export function aSegmentation(id: string, change: Partial<SegmentationRow> = {}): SegmentationRow {
  return {
    id,
    study_id: '1',
    number: 1,
    source: 'model',
    state: 'draft',
    parent_id: null,
    model: { id: 'model', name: 'default' },
    ml: { wt: 84.21, tc: 33.7, et: 21.04, ncr: 12.7, ed: 50.5 },
    warnings: [],
    components: { wt: 1, tc: 1, et: 1 },
    diameters_mm: { wt: 51, tc: 42, et: 30 },
    confidence: null,
    created_by: null,
    created_at: '2026-11-24T10:01:00Z',
    decided_by: null,
    decided_at: null,
    note: '',
    labels_url: `${ROOT}/segmentations/${id}/labels.nii.gz`,
    ...change,
  }
}

export function aJob(study: string, change: Partial<JobRow> = {}): JobRow {
  return {
    id: `job-${study}`,
    study_id: study,
    state: 'running',
    attempt: 1,
    position: null,
    stage: 'network',
    share: 0.62,
    eta_seconds: 2,
    failure: null,
    segmentation_id: null,
    created_at: '2026-11-25T10:00:00Z',
    ended_at: null,
    ...change,
  }
}

export function aFile(id: string, change: Partial<UploadFile> = {}): UploadFile {
  return {
    id,
    name: `${id}.nii.gz`,
    bytes: 8_100_000,
    state: 'stored',
    sequence: null,
    guessed: false,
    scheme: null,
    shape: [240, 240, 155],
    spacing: [1, 1, 1],
    orientation: 'LPS',
    problem: null,
    ...change,
  }
}

export interface Call {
  method: string
  path: string
  query: URLSearchParams
  body: unknown
  headers: Headers
}

type Answer = unknown | ((call: Call) => unknown)

export class Refusal {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string) {
    this.status = status
    this.code = code
  }
}

/** Stands in for the server: answers by "GET studies", keeps every call. What has no answer is a 404. */
export function fakeServer(answers: Record<string, Answer>): Call[] {
  const calls: Call[] = []
  globalThis.fetch = async (input, init) => {
    const url = new URL(String(input), 'http://127.0.0.1:8040')
    const call: Call = {
      method: init?.method ?? 'GET',
      path: url.pathname.replace(`${ROOT}/`, ''),
      query: url.searchParams,
      body: typeof init?.body === 'string' ? JSON.parse(init.body) : init?.body,
      headers: new Headers(init?.headers),
    }
    calls.push(call)
    const key = `${call.method} ${call.path}`
    const answer = key in answers ? answers[key] : new Refusal(404, 'not_found')
    const value: unknown = typeof answer === 'function' ? answer(call) : answer
    if (value instanceof Response) return value
    if (value instanceof Refusal) {
      return Response.json(
        { status: value.status, code: value.code, title: value.code, detail: `${value.code}.` },
        { status: value.status },
      )
    }
    return Response.json(value ?? null)
  }
  return calls
}

export const page = <T>(items: T[]) => ({ items, next: null, total: items.length })
export const aSession = (role: 'viewer' | 'editor' | 'admin') => ({
  person: { name: 'reader', role, user: 'user-1' },
  login_required: true,
  version: '0.9.0',
  research_use: 'Research use only, not a medical device',
})

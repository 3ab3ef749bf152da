import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ApiError } from '../api/client'
import { failureOf } from './useFailure'
import { isKey, wordsOf } from './useWords'

/** The API's description, which is made of the server's routes. */
const document = JSON.parse(readFileSync('../docs/openapi.json', 'utf8')) as {
  components: { schemas: Record<string, { enum?: string[] }> }
}

test.each([
  ['ProblemCode', 'error'],
  ['FailureCode', 'failure'],
  ['Flaw', 'flaw'],
])('every %s that the server can send has its words', (schema, prefix) => {
  const codes = document.components.schemas[schema]?.enum ?? []
  expect(codes.length).toBeGreaterThan(5)
  expect(codes.filter((code) => !isKey(`${prefix}.${code}`))).toEqual([])
})

test('a detail that says no more than the code is not said again in English', () => {
  const problem = { code: 'role_too_low', status: 403, title: 'Your role does not allow that.' }
  const told = (detail: string) => failureOf(wordsOf('ko'), new ApiError({ ...problem, detail })).detail
  expect(told(problem.title)).toBeNull()
  expect(told('This needs the role admin; yours is editor.')).toBe('This needs the role admin; yours is editor.')
})

import { expect, test } from 'vitest'
import { ApiError, address, asProblem, get, post } from './client'
import { fakeServer, Refusal } from './fakes'

test('addresses leave out what is empty and escape what is odd', () => {
  expect(address('studies', { search: 'a&b', state: '', limit: 100, cursor: null })).toBe(
    '/api/v1/studies?search=a%26b&limit=100',
  )
})

test('writes carry the page’s header, reads do not', async () => {
  const calls = fakeServer({ 'GET studies': [], 'POST uploads': { id: 'u' } })
  await get('studies')
  await post('uploads')
  expect(calls.map((call) => call.headers.get('X-Glioscope'))).toEqual([null, '1'])
})

test('a refusal becomes one kind of error with the server’s code', async () => {
  fakeServer({ 'GET studies/1': new Refusal(403, 'role_too_low') })
  await expect(get('studies/1')).rejects.toMatchObject({ code: 'role_too_low', status: 403 })
})

test('no answer, and an answer that is no JSON, are errors of the same kind', async () => {
  globalThis.fetch = () => Promise.reject(new TypeError('failed'))
  await expect(get('studies')).rejects.toBeInstanceOf(ApiError)
  await expect(get('studies')).rejects.toMatchObject({ code: 'offline', status: 0 })
  expect(asProblem(502, '<html>Bad gateway</html>')).toMatchObject({ code: 'http_502', status: 502 })
})

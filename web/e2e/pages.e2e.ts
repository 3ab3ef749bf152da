import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { serious } from './serious'
import { type Look, lacking, Stage } from './stage'

const reason = lacking()
if (reason !== null) console.error(`SKIPPED: end-to-end tests of the page: ${reason}`)

const pages = [
  { name: 'worklist', path: '/', shows: { en: 'P-0001', ko: 'P-0001' } },
  { name: 'patients', path: '/patients', shows: { en: 'P-0001', ko: 'P-0001' } },
  { name: 'bin', path: '/?bin=true', shows: { en: 'The bin is empty.', ko: '휴지통이 비어 있습니다.' } },
  { name: 'upload', path: '/upload', shows: { en: 'Choose files', ko: '파일 선택' } },
  { name: 'models', path: '/models', shows: { en: 'Learnt from', ko: '학습 자료' } },
  { name: 'training', path: '/models?tab=training', shows: { en: 'Training', ko: '학습' } },
  { name: 'evaluations', path: '/models?tab=evaluations', shows: { en: 'Evaluations', ko: '평가' } },
  { name: 'accounts', path: '/users', shows: { en: 'New account', ko: '새 계정' } },
  { name: 'tokens', path: '/users?tab=tokens', shows: { en: 'API tokens', ko: 'API 토큰' } },
  { name: 'audit', path: '/users?tab=audit', shows: { en: 'Verify the chain', ko: '연결 검증' } },
  { name: 'nowhere', path: '/nowhere', shows: { en: 'This page does not exist.', ko: '존재하지 않는 페이지입니다.' } },
  { name: 'settings', path: '/settings', shows: { en: 'Tissue colours', ko: '조직 색상' } },
] as const

const notice = { en: 'Research use only, not a medical device', ko: '연구 전용이며 의료기기가 아닙니다' }

// Each language and each theme once: neither changes with the other.
const looks: Look[] = [
  { language: 'en', theme: 'dark' },
  { language: 'ko', theme: 'light' },
]

describe.skipIf(reason !== null)('every page', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await Stage.open()
  })
  afterAll(() => stage.close())

  test.each(pages.flatMap((page) => looks.map((look) => ({ ...page, look }))))(
    '$name in $look.language, $look.theme',
    async ({ path, shows, look }) => {
      const page = await stage.show(path, look)
      await page.getByText(shows[look.language]).first().waitFor()
      expect(await page.locator('html').getAttribute('lang')).toBe(look.language)
      expect(await page.getByText(notice[look.language]).first().isVisible()).toBe(true)
      expect(await serious(page)).toEqual([])
      await page.close()
    },
  )

  test('no page complained', () => {
    expect(stage.complaints).toEqual([])
  })
})

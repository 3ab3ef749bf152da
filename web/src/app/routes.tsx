import type { QueryClient } from '@tanstack/react-query'
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router'
import { LoginPage } from '../accounts/LoginPage'
import { UsersPage } from '../accounts/UsersPage'
import { queries } from '../api/queries'
import { ModelsPage } from '../models/ModelsPage'
import { parseFilter } from '../worklist/filter'
import { PatientsPage } from '../worklist/PatientsPage'
import { parsePatientFilter } from '../worklist/patientFilter'
import { UploadPage } from '../worklist/UploadPage'
import { WorklistPage } from '../worklist/WorklistPage'
import { CrashedPage } from './CrashedPage'
import { Frame } from './Frame'
import { LostPage } from './LostPage'
import { SettingsPage } from './SettingsPage'

type Search = Record<string, unknown>
const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)

const root = createRootRouteWithContext<{ client: QueryClient }>()({
  component: Frame,
  notFoundComponent: LostPage,
  errorComponent: CrashedPage,
})

const worklist = createRoute({
  getParentRoute: () => root,
  path: '/',
  component: WorklistPage,
  validateSearch: parseFilter,
})
const patients = createRoute({
  getParentRoute: () => root,
  path: '/patients',
  component: PatientsPage,
  validateSearch: parsePatientFilter,
})
const upload = createRoute({
  getParentRoute: () => root,
  path: '/upload',
  // `study`: an incomplete one that the files complete.
  validateSearch: (search: Search): { study?: string } => {
    const study = text(search.study)
    return study ? { study } : {}
  },
  component: UploadPage,
})
const study = createRoute({
  getParentRoute: () => root,
  path: '/studies/$id',
  // The viewer keeps its place in the address; what the place holds is its own affair.
  validateSearch: (search: Search): Record<string, string> =>
    Object.fromEntries(Object.entries(search).map(([key, value]) => [key, String(value)])),
  // Asked while the viewer's own code is still on its way.
  loader: ({ context, params }) => void context.client.prefetchQuery(queries.study(params.id)),
  component: lazyRouteComponent(() => import('./StudyRoute'), 'StudyRoute'),
})
const compare = createRoute({
  getParentRoute: () => root,
  path: '/compare',
  validateSearch: (search: Search): { a?: string; b?: string } => {
    const [a, b] = [text(search.a), text(search.b)]
    return { ...(a ? { a } : {}), ...(b ? { b } : {}) }
  },
  component: lazyRouteComponent(() => import('./CompareRoute'), 'CompareRoute'),
})
const models = createRoute({
  getParentRoute: () => root,
  path: '/models',
  validateSearch: (search: Search): { tab?: 'training' | 'evaluations' } =>
    search.tab === 'training' || search.tab === 'evaluations' ? { tab: search.tab } : {},
  component: ModelsPage,
})
const users = createRoute({
  getParentRoute: () => root,
  path: '/users',
  validateSearch: (search: Search): { tab?: 'tokens' | 'audit' } =>
    search.tab === 'tokens' || search.tab === 'audit' ? { tab: search.tab } : {},
  component: UsersPage,
})
const settings = createRoute({ getParentRoute: () => root, path: '/settings', component: SettingsPage })
const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: (search: Search): { next?: string } => {
    const next = text(search.next)
    // Only a path of this page: a link must not lead elsewhere after the login.
    return next?.startsWith('/') && !next.startsWith('//') && !next.includes('\\') ? { next } : {}
  },
  component: LoginPage,
})

const tree = root.addChildren([worklist, patients, upload, study, compare, models, users, settings, login])

export function makeRouter(client: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { client },
    defaultPreload: false,
    // Plain words in the address: no JSON, no quotes.
    parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
    stringifySearch: (search) => {
      const pairs = Object.entries(search).filter(([, value]) => value !== undefined && value !== '')
      const query = new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString()
      return query ? `?${query}` : ''
    },
  })
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>
  }
}

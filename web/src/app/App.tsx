import { type QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { onLoginNeeded } from '../api/client'
import { queries } from '../api/queries'
import { useAppearance } from './appearance'
import { followServer } from './live'
import { makeQueryClient } from './queryClient'
import { makeRouter } from './routes'

/** The frame leads to the login and back again when nobody is. A question that is asked already is not asked again. */
function askWhoIsHere(client: QueryClient): void {
  const { queryKey } = queries.session()
  const known = client.getQueryState(queryKey)
  if (known?.data?.person && known.fetchStatus === 'idle' && known.error === null) {
    void client.invalidateQueries({ queryKey })
  }
}

export function App() {
  const [client] = useState(makeQueryClient)
  const [router] = useState(() => makeRouter(client))
  useAppearance()
  useEffect(() => followServer(client), [client])
  useEffect(() => onLoginNeeded(() => askWhoIsHere(client)), [client])
  useEffect(() => {
    // The viewer's code is there before the first study is opened.
    const timer = setTimeout(() => void import('./StudyRoute').catch(() => undefined), 1500)
    return () => clearTimeout(timer)
  }, [])
  return (
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  )
}

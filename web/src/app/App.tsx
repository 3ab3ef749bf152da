import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { useAppearance } from './appearance'
import { followServer } from './live'
import { makeQueryClient } from './queryClient'
import { makeRouter } from './routes'

export function App() {
  const [client] = useState(makeQueryClient)
  const [router] = useState(() => makeRouter(client))
  useAppearance()
  useEffect(() => followServer(client), [client])
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

import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { useAppearance } from './appearance'
import { followServer } from './live'
import { makeQueryClient } from './queryClient'
import { makeRouter } from './routes'

export function App() {
  const [client] = useState(makeQueryClient)
  const [router] = useState(makeRouter)
  useAppearance()
  useEffect(() => followServer(client), [client])
  return (
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  )
}

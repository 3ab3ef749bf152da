import { useEffect, useState, useSyncExternalStore } from 'react'
import { send } from '../api/client'
import { Library } from '../viewer/library'

async function bytesOf(url: string, signal: AbortSignal): Promise<ArrayBuffer> {
  return (await send('GET', url, { signal })).arrayBuffer()
}

/** The volumes of one opened study, let go of when the page is left. */
export function useLibrary(): Library {
  const [library] = useState(() => new Library(bytesOf))
  useEffect(() => () => library.close(), [library])
  return library
}

/** Counts the library's changes, so that a component draws again when something has arrived. */
export function useRevision(library: Library): number {
  return useSyncExternalStore(
    (listener) => library.subscribe(listener),
    () => library.revision,
  )
}

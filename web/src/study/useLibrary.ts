import { useEffect, useState, useSyncExternalStore } from 'react'
import { bytesOf } from '../api/client'
import { onServerEvent } from '../api/events'
import { Library } from '../viewer/library'
import { readingWorker, workerReader } from '../viewer/reader'

/** The volumes of one opened study, let go of when the page is left. */
export function useLibrary(): Library {
  const [library] = useState(() => new Library(bytesOf, workerReader(readingWorker)))
  useEffect(() => () => library.close(), [library])
  // What did not arrive because nobody answered is asked for again when somebody does.
  useEffect(() => onServerEvent((event) => event.kind === 'missed' && library.again()), [library])
  return library
}

/** Counts the library's changes, so that a component draws again when something has arrived. */
export function useRevision(library: Library): number {
  return useSyncExternalStore(
    (listener) => library.subscribe(listener),
    () => library.revision,
  )
}

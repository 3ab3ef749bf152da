/** A file with the folders it lay in. */
export interface Picked {
  name: string
  file: File
}

export interface Sorted {
  files: Picked[]
  /** Names of what is neither NIfTI nor ZIP. */
  left: string[]
}

const wanted = /\.(nii|nii\.gz|zip)$/i
/** What operating systems leave in folders. */
const litter = /(^|\/)(\._|\.DS_Store$|Thumbs\.db$|desktop\.ini$|__MACOSX\/)/i

export function sortPicked(picked: readonly Picked[]): Sorted {
  const kept = picked.filter(({ name }) => !litter.test(name))
  return {
    files: kept.filter(({ name }) => wanted.test(name)),
    left: kept.filter(({ name }) => !wanted.test(name)).map(({ name }) => name),
  }
}

/** The files of an `<input type=file>`, for folders with their paths. */
export function pickedFromInput(list: FileList | null): Picked[] {
  return [...(list ?? [])].map((file) => ({ file, name: file.webkitRelativePath || file.name }))
}

const fileOf = (entry: FileSystemFileEntry) => new Promise<File>((resolve, reject) => entry.file(resolve, reject))
const someOf = (reader: FileSystemDirectoryReader) =>
  new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))

async function walk(entry: FileSystemEntry): Promise<Picked[]> {
  const name = entry.fullPath.replace(/^\//, '')
  if (isFile(entry)) return [{ name, file: await fileOf(entry) }]
  if (!isDirectory(entry)) return []
  const reader = entry.createReader()
  const found: Picked[] = []
  // A reader gives at most a hundred entries at a time, and an empty list at the end.
  for (let some = await someOf(reader); some.length > 0; some = await someOf(reader)) {
    for (const child of some) found.push(...(await walk(child)))
  }
  return found
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile
const isDirectory = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory

/** The files of a drop, folders opened. The entries are taken at once: they are gone after the event. */
export async function pickedFromDrop(transfer: DataTransfer): Promise<Picked[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null)
  if (entries.length === 0) return [...transfer.files].map((file) => ({ file, name: file.name }))
  return (await Promise.all(entries.map(walk))).flat()
}

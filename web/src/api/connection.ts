/** Whether the server answers. Every request tells; once one had no answer, the server is asked until it is there again. */

type Ask = () => Promise<unknown>

/** Waits between two questions, in ms; the last one goes on. */
const PAUSES = [1000, 2000, 4000, 8000]

export class Connection {
  readonly #ask: Ask
  readonly #listeners = new Set<() => void>()
  readonly #found = new Set<() => void>()
  #silent = false
  #asked = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  /** `ask` is one small request; it rejects when no answer came. */
  constructor(ask: Ask) {
    this.#ask = ask
  }

  readonly silent = (): boolean => this.#silent

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** Calls `listener` each time that the server answers after a silence. */
  onFound(listener: () => void): () => void {
    this.#found.add(listener)
    return () => {
      this.#found.delete(listener)
    }
  }

  /** An answer came, whatever it said. */
  heard(): void {
    clearTimeout(this.#timer)
    this.#asked = 0
    if (!this.#silent) return
    this.#silent = false
    this.#publish()
    for (const listener of this.#found) listener()
  }

  /** A request had no answer. */
  lost(): void {
    if (this.#silent) return
    this.#silent = true
    this.#publish()
    this.#later()
  }

  /** Asks at once: something looks as if the server were gone, or a reader does not want to wait. */
  readonly askNow = async (): Promise<void> => {
    clearTimeout(this.#timer)
    try {
      await this.#ask()
      this.heard()
    } catch {
      if (this.#silent) this.#later()
      else this.lost()
    }
  }

  #later(): void {
    clearTimeout(this.#timer)
    const pause = PAUSES[Math.min(this.#asked, PAUSES.length - 1)]
    this.#asked += 1
    this.#timer = setTimeout(() => void this.askNow(), pause)
  }

  #publish(): void {
    for (const listener of this.#listeners) listener()
  }
}

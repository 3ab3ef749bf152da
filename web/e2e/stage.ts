import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const PROGRAM = resolve(process.env.GLIOSCOPE_BIN ?? '../target/release/glioscope')
const BROWSERS = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Why nothing can be tried on this machine; null where everything is there. */
export function lacking(): string | null {
  if (!existsSync(PROGRAM)) return `${PROGRAM} is not built (cargo build --release)`
  if (browserPath() === undefined) return 'no Chromium is installed (apt-get install chromium fonts-noto-cjk)'
  return null
}

const browserPath = () => BROWSERS.find((path) => path !== undefined && existsSync(path))

/** Runs the program and waits for its end. */
export function glioscope(...args: readonly string[]): void {
  const made = spawnSync(PROGRAM, args, { encoding: 'utf8', env: plainEnvironment() })
  if (made.status !== 0) throw new Error(`glioscope ${args[0]}: ${made.stderr}`)
}

export interface Look {
  language: 'en' | 'ko'
  theme: 'dark' | 'light'
  width?: number
  height?: number
}

/** What the shell says for the tests or for another server is no setting of this one. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('GLIOSCOPE_') && name !== 'XDG_CONFIG_HOME',
  )
  return Object.fromEntries(kept)
}

const CONTEXT = { viewport: { width: 1366, height: 768 }, timezoneId: 'UTC' } as const

/** In ms. What is waited for comes in seconds; a computer that others share may stand still for half a minute. */
const PATIENCE = 90_000

/** A server of its own with an empty folder, and a browser before it. */
export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'glioscope-e2e-'))
  /** What the pages complained about: console errors, exceptions, violations of the content security policy. */
  readonly complaints: string[] = []
  readonly origin: string
  readonly #data: string
  readonly #flags: readonly string[]
  #server: ChildProcess
  readonly #browser: Browser
  readonly #context: BrowserContext

  private constructor(origin: string, started: Started, browser: Browser, context: BrowserContext) {
    this.origin = origin
    this.#data = started.data
    this.#flags = started.flags
    this.#server = started.server
    this.#browser = browser
    this.#context = context
  }

  /** Starts both and goes in by the link that the server prints. */
  static async open(flags: readonly string[] = []): Promise<Stage> {
    const data = mkdtempSync(join(tmpdir(), 'glioscope-data-'))
    const server = served(data, '127.0.0.1:0', flags)
    const link = await firstLink(server)
    const executablePath = browserPath()
    const browser = await chromium.launch({
      ...(executablePath === undefined ? {} : { executablePath }),
      args: [
        '--no-sandbox',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--use-angle=swiftshader',
        '--enable-unsafe-swiftshader',
      ],
    })
    const context = patient(await browser.newContext(CONTEXT))
    const first = await context.newPage()
    await first.goto(link)
    await first.close()
    return new Stage(new URL(link).origin, { data, flags, server }, browser, context)
  }

  /** Stops the server while pages are open. */
  async halt(): Promise<void> {
    const ended = new Promise((done) => this.#server.once('exit', done))
    this.#server.kill('SIGTERM')
    await ended
  }

  /** Starts the server again, where it was and with what it knew. */
  async resume(): Promise<void> {
    this.#server = served(this.#data, new URL(this.origin).host, this.#flags)
    await firstLink(this.#server)
  }

  /** The browser of the person who came in by the link, with fingers instead of a mouse. */
  touching(width: number, height: number): Promise<BrowserContext> {
    return this.apart({ viewport: { width, height }, hasTouch: true })
  }

  /** Another browser of the person who came in by the link: what is done to it is not done to the first. */
  async apart(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const storageState = await this.#context.storageState()
    return patient(await this.#browser.newContext({ ...CONTEXT, storageState, ...options }))
  }

  /** Another person's browser: it knows no cookie. */
  async stranger(): Promise<BrowserContext> {
    return patient(await this.#browser.newContext(CONTEXT))
  }

  /** A page of its own look at `path`, for the person who came in by the link or for another one. */
  async show(path: string, look: Look, who: BrowserContext = this.#context): Promise<Page> {
    const page = await who.newPage()
    await page.setViewportSize({ width: look.width ?? 1366, height: look.height ?? 768 })
    await page.addInitScript(
      (settings) => localStorage.setItem('glioscope.settings', settings),
      JSON.stringify({ language: look.language, theme: look.theme }),
    )
    page.on('pageerror', (error) => this.complaints.push(`${path}: ${error.message}`))
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(`${path}: ${message.text()} ${message.location().url}`)
    })
    await page.goto(this.origin + path)
    return page
  }

  /** Four scans of a made head, as files; its exact mask is left out. */
  phantom(seed: number): string[] {
    const out = join(this.folder, `phantom-${seed}`)
    if (!existsSync(out)) glioscope('phantom', '--out', out, '--seed', String(seed))
    return readdirSync(out, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.nii.gz') && !/seg|mask|label/i.test(basename(name)))
      .map((name) => join(out, name))
      .sort()
  }

  async close(): Promise<void> {
    await this.#browser.close()
    if (this.#server.exitCode === null) await this.halt()
    rmSync(this.#data, { recursive: true, force: true })
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function patient(context: BrowserContext): BrowserContext {
  context.setDefaultTimeout(PATIENCE)
  return context
}

interface Started {
  readonly data: string
  readonly flags: readonly string[]
  readonly server: ChildProcess
}

function served(data: string, listen: string, flags: readonly string[]): ChildProcess {
  return spawn(PROGRAM, ['serve', '--listen', listen, '--data', data, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...plainEnvironment(), XDG_CONFIG_HOME: data },
  })
}

/** The address with the one-time token, from the first lines that the server prints. */
function firstLink(server: ChildProcess): Promise<string> {
  return new Promise((found, failed) => {
    server.once('exit', (code) => failed(new Error(`glioscope serve ended with ${code} before it printed its address`)))
    if (server.stdout === null) return
    createInterface(server.stdout).on('line', (line) => {
      const link = /http:\/\/\S+\/enter\?token=\S+/.exec(line)?.[0]
      if (link !== undefined) found(link)
    })
  })
}

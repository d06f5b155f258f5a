import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { canonicalHost } from '../../shared/network.ts'
import type { Registry } from '../decision.ts'
import { replaceInOneStep } from '../gateway-files.ts'
import { createToolRunner } from './run-tool.ts'
import { TOOL_QUESTIONS, type ToolAnswer } from './tools.ts'

/** What is known of this host's registries; the file holds credentials and is for its owner alone. */
export interface KnownRegistries {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly registries: readonly Registry[]
  /** Variables by which tools inside a sandbox are told of registries that are not their defaults. */
  readonly env: Readonly<Record<string, string>>
  readonly tools: readonly { readonly tool: string; readonly hosts: readonly string[] }[]
  /** What the operator had named when the tools were asked. */
  readonly named: string
  /** Tools that could not be asked to the end, see {@link ToolAnswer.isPartial}. */
  readonly unsure: readonly string[]
}

/** What is known before the tools were asked: too old to be fresh, so they are asked next. */
export const NO_REGISTRIES: KnownRegistries = { at: 0, registries: [], env: {}, tools: [], named: '[]', unsure: [] }

/** Answers are good for a day: configuration changes are rare, and a set-up that lacks a host says so. */
export const FRESH_MS = 86_400_000

/** What was found last; nothing when nobody has looked yet, or when the file was damaged. */
export function readRegistries(file: string): KnownRegistries {
  if (!existsSync(file)) return NO_REGISTRIES
  try {
    return { ...NO_REGISTRIES, ...(JSON.parse(readFileSync(file, 'utf8')) as KnownRegistries) }
  } catch (error) {
    // A disk that was full or cut off: the tools are asked again.
    if (error instanceof SyntaxError) return NO_REGISTRIES
    throw error
  }
}

const DIR_PREFIX = 'keelson-tools-'

/** Far longer than the slowest tool may take. */
const ABANDONED_MS = 3_600_000

/** Where answers are kept, and what is asked. */
export interface DiscoverOptions {
  readonly file: string
  /** The variables that the tools run with. */
  readonly env: Readonly<Record<string, string>>
  /**
   * The operator's word, as `KEELSON_REGISTRIES` gives it: URLs or hosts that are added to what the tools use, or, behind a
   * `=`, that replace it.
   */
  readonly named: readonly string[]
}

/** Whether answers to these words of the operator are complete and young enough to be used without asking again. Pure. */
export function areFresh(known: KnownRegistries, named: readonly string[], now: number): boolean {
  const isYoung = now - known.at < FRESH_MS && known.at <= now
  return isYoung && known.unsure.length === 0 && known.named === JSON.stringify(named)
}

/**
 * Asks every tool and writes the answers down, for the gateway and for whoever starts commands. Takes seconds, since tools
 * are slow to start; at once when the last answers are fresh and complete. A tool that could not be asked to
 * the end keeps what it named before. Safe to repeat; two at once do the work twice.
 */
export async function discoverRegistries({ file, env, named }: DiscoverOptions): Promise<KnownRegistries> {
  const replaces = named[0]?.startsWith('=') === true
  const own = named.map((entry) => entry.replace(/^=/, '')).filter((entry) => entry !== '')
  const known = readRegistries(file)
  if (areFresh(known, named, Date.now())) return known
  const answers: { tool: string; answer: ToolAnswer }[] =
    own.length > 0 ? [{ tool: 'KEELSON_REGISTRIES', answer: { urls: own.map(asUrl) } }] : []
  if (!replaces) {
    const runner = createToolRunner(env)
    removeAbandoned(tmpdir(), Date.now())
    const dir = mkdtempSync(path.join(tmpdir(), DIR_PREFIX))
    try {
      const asked = TOOL_QUESTIONS.map(async ({ tool, ask }) => {
        const place = path.join(dir, tool)
        mkdirSync(place)
        return { tool, answer: await ask({ runner, env, dir: place }) }
      })
      // All of them have ended before their directory goes.
      await Promise.allSettled(asked)
      for (const { tool, answer } of await Promise.all(asked)) if (answer !== null) answers.push({ tool, answer })
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  }
  const found = { ...keepUnsure(combine(answers), known), at: Date.now(), named: JSON.stringify(named) }
  replaceInOneStep(path.join(path.dirname(file), 'tool-env.json'), JSON.stringify(found.env), 0o644)
  replaceInOneStep(file, JSON.stringify(found), 0o600)
  return found
}

/**
 * Removes the directories of questions that a killed process left in `parent`. They lie there and not in the home, since tools
 * read configuration of every folder above the one they run in. Those of other users and of a process that may still ask stay.
 */
export function removeAbandoned(parent: string, now: number): void {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(DIR_PREFIX)) continue
    const dir = path.join(parent, name)
    const found = lstatSync(dir, { throwIfNoEntry: false })
    if (found?.isDirectory() !== true || found.uid !== process.getuid?.() || now - found.mtimeMs < ABANDONED_MS)
      continue
    rmSync(dir, { recursive: true, force: true })
  }
}

/** What tools that could not be asked to the end had named before is added to what they name now. Pure. */
export function keepUnsure(found: Omit<KnownRegistries, 'at' | 'named'>, before: KnownRegistries): typeof found {
  const isUnsure = (tool: string) => found.unsure.includes(tool)
  const hostsBefore = (tool: string) => before.tools.find((each) => each.tool === tool)?.hosts ?? []
  const tools = found.tools.map(({ tool, hosts }) =>
    isUnsure(tool) ? { tool, hosts: [...new Set([...hosts, ...hostsBefore(tool)])] } : { tool, hosts },
  )
  const hosts = new Set(found.unsure.flatMap(hostsBefore))
  const isThere = (old: Registry) => found.registries.some((each) => originOf(each) === originOf(old))
  const kept = before.registries.filter((old) => hosts.has(old.host) && !isThere(old))
  return { ...found, tools, registries: [...found.registries, ...kept] }
}

/** The tools' answers as registries, each host and port once, with the credentials that belong to it. Pure. */
export function combine(
  answers: readonly { tool: string; answer: ToolAnswer }[],
): Omit<KnownRegistries, 'at' | 'named'> {
  const byOrigin = new Map<string, Registry>()
  const tools: { tool: string; hosts: string[] }[] = []
  for (const { tool, answer } of answers) {
    const here = answer.urls.flatMap((text) => {
      const registry = registryOf(text)
      return registry === null ? [] : [registry]
    })
    for (const registry of here) byOrigin.set(originOf(registry), merge(byOrigin.get(originOf(registry)), registry))
    tools.push({ tool, hosts: [...new Set(here.map(({ host }) => host))] })
  }
  for (const { place, authorization } of answers.flatMap(({ answer }) => answer.auth ?? [])) {
    const url = URL.canParse(`https://${place}`) ? new URL(`https://${place}`) : null
    if (url === null) continue
    for (const registry of byOrigin.values()) {
      const port = url.port === '' ? (registry.scheme === 'https' ? 443 : 80) : Number(url.port)
      if (registry.host !== url.hostname || registry.port !== port) continue
      const credentials = [...(registry.credentials ?? []), { pathPrefix: url.pathname, authorization }]
      byOrigin.set(originOf(registry), { ...registry, credentials })
    }
  }
  const env = Object.assign({}, ...answers.map(({ answer }) => answer.env ?? {})) as Record<string, string>
  const unsure = answers.filter(({ answer }) => answer.isPartial === true).map(({ tool }) => tool)
  return { registries: [...byOrigin.values()], env, tools, unsure }
}

function originOf({ scheme, host, port }: Registry): string {
  return `${scheme}://${host}:${port}`
}

function merge(known: Registry | undefined, registry: Registry): Registry {
  const credentials = [...(known?.credentials ?? []), ...(registry.credentials ?? [])]
  return credentials.length > 0 ? { ...registry, credentials } : registry
}

function registryOf(text: string): Registry | null {
  if (!URL.canParse(text)) return null
  const url = new URL(text)
  const host = canonicalHost(url.hostname)
  if (host === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return null
  const scheme = url.protocol === 'https:' ? 'https' : 'http'
  const port = url.port === '' ? (scheme === 'https' ? 443 : 80) : Number(url.port)
  if (url.username === '') return { host, port, scheme }
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  const authorization = `Basic ${Buffer.from(user).toString('base64')}`
  return { host, port, scheme, credentials: [{ pathPrefix: url.pathname, authorization }] }
}

function asUrl(entry: string): string {
  return entry.includes('://') ? entry : `https://${entry}/`
}

/**
 * How each package manager of this host is asked for its registries. Where a tool names one in its configuration, that is
 * it; where the default is only in its code, it is made to ask for one small, old package, and the hosts that it asks are
 * it. So no host stands here, and a company's mirrors work by themselves.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type NpmAuth, npmrcAuth, npmrcRegistries } from './npmrc.ts'
import { recordHosts } from './record-hosts.ts'
import type { ToolRunner } from './run-tool.ts'

/** What one tool said. */
export interface ToolAnswer {
  /** Addresses of registries, each a URL. */
  readonly urls: readonly string[]
  readonly auth?: readonly NpmAuth[]
  /** Variables by which the same tool inside a sandbox is told of a registry that is not its default. */
  readonly env?: Readonly<Record<string, string>>
  /** The tool is there and could not be asked, or not to the end, e.g. because the network was away. */
  readonly isPartial?: boolean
}

/** What a question needs to ask a tool of this host. */
export interface AskContext {
  readonly runner: ToolRunner
  /** The tools' own variables, for credentials that an npmrc takes from there. */
  readonly env: Readonly<Record<string, string>>
  /** An empty directory to work in. */
  readonly dir: string
}

/** One tool and how it tells which registries it uses. */
export interface ToolQuestion {
  readonly tool: string
  /** null: the tool is not there. */
  ask(context: AskContext): Promise<ToolAnswer | null>
}

const SLOW_MS = 60_000

/** Every tool of the host that is asked. */
export const TOOL_QUESTIONS: readonly ToolQuestion[] = [
  { tool: 'npm', ask: askNpm },
  { tool: 'yarn', ask: askYarn },
  { tool: 'pip', ask: askPip },
  { tool: 'go', ask: askGo },
  { tool: 'cargo', ask: askCargo },
  { tool: 'maven', ask: askMaven },
  { tool: 'gem', ask: askGem },
  { tool: 'bundler', ask: askBundler },
  { tool: 'composer', ask: askComposer },
]

async function askNpm({ runner, env, dir }: AskContext): Promise<ToolAnswer | null> {
  const registry = await runner.run('npm', ['config', 'get', 'registry'], { cwd: dir })
  if (registry === null || !URL.canParse(registry)) return null
  const files = await Promise.all(
    ['globalconfig', 'userconfig'].map((name) => runner.run('npm', ['config', 'get', name], { cwd: dir })),
  )
  const text = files.map((file) => (file === null ? '' : readOr(file, ''))).join('\n')
  return {
    urls: [registry, ...npmrcRegistries(text)],
    auth: npmrcAuth(text, env),
    env: {
      npm_config_registry: registry,
      COREPACK_NPM_REGISTRY: registry.replace(/\/$/, ''),
      YARN_NPM_REGISTRY_SERVER: registry.replace(/\/$/, ''),
    },
  }
}

/** Yarn's first version asks a host of its own unless it is told otherwise, and writes that host into its lock files. */
async function askYarn({ runner, dir }: AskContext): Promise<ToolAnswer | null> {
  const own = await runner.run('yarn', ['config', 'get', 'registry'], { cwd: dir })
  const args = ['exec', '--yes', '--package=yarn@1', '--', 'yarn', 'config', 'get', 'registry']
  const registry =
    own !== null && URL.canParse(own) ? own : await runner.run('npm', args, { cwd: dir, timeoutMs: SLOW_MS })
  if (registry !== null && URL.canParse(registry)) return { urls: [registry] }
  return (await runner.run('npm', ['--version'], { cwd: dir })) === null ? null : { urls: [], isPartial: true }
}

async function askPip({ runner, dir }: AskContext): Promise<ToolAnswer | null> {
  if ((await runner.run('python3', ['-m', 'pip', '--version'])) === null) return null
  const args = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--no-cache-dir', '--dest', dir, 'six==1.16.0']
  const command = {
    program: 'python3',
    args,
    cwd: dir,
    env: { PIP_FIND_LINKS: '', PIP_NO_INDEX: '' },
    timeoutMs: SLOW_MS,
  }
  const recorded = await recordHosts(runner, command)
  const index = await runner.run('python3', ['-m', 'pip', 'config', 'get', 'global.index-url'])
  const named = index !== null && URL.canParse(index)
  return {
    ...answerOf(recorded),
    ...(named ? { env: { PIP_INDEX_URL: withoutUser(index), UV_DEFAULT_INDEX: withoutUser(index) } } : {}),
  }
}

async function askGo({ runner, dir }: AskContext): Promise<ToolAnswer | null> {
  const answer = await runner.run('go', ['env', 'GOPROXY', 'GOSUMDB'], { cwd: dir, env: { GOFLAGS: '' } })
  if (answer === null) return null
  const [proxy = '', sums = ''] = answer.split('\n')
  const proxies = proxy.split(/[,|]/).filter((each) => URL.canParse(each))
  const [name = '', url] = sums.split(' ')
  const database = url ?? (name.includes('.') ? `https://${name.split('+')[0]}` : '')
  return {
    urls: [...proxies, ...(URL.canParse(database) ? [database] : [])],
    // Without the rest of the list: what is in no registry would be fetched from anywhere.
    env: { GOPROXY: proxies.map(withoutUser).join(','), ...(sums === '' ? {} : { GOSUMDB: sums }) },
  }
}

async function askCargo({ runner, dir }: AskContext): Promise<ToolAnswer | null> {
  if ((await runner.run('cargo', ['--version'], { cwd: dir })) === null) return null
  mkdirSync(path.join(dir, 'src'))
  writeFileSync(path.join(dir, 'src/lib.rs'), '')
  const manifest = '[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\nitoa = "1"\n'
  writeFileSync(path.join(dir, 'Cargo.toml'), manifest)
  // A home of its own, so that the files are not in its cache already; configuration is found by its place above `dir`.
  const env = { CARGO_HOME: path.join(dir, 'home') }
  const args = ['fetch', '--quiet']
  return answerOf(await recordHosts(runner, { program: 'cargo', args, cwd: dir, env, timeoutMs: SLOW_MS }))
}

async function askMaven({ runner, dir }: AskContext): Promise<ToolAnswer | null> {
  if ((await runner.run('mvn', ['--version'], { cwd: dir })) === null) return null
  const args = [
    '-q',
    '-B',
    `-Dmaven.repo.local=${path.join(dir, 'repository')}`,
    'help:evaluate',
    '-Dexpression=project.version',
  ]
  return answerOf(await recordHosts(runner, { program: 'mvn', args, cwd: dir, timeoutMs: SLOW_MS }))
}

async function askGem({ runner, dir }: AskContext): Promise<ToolAnswer | null> {
  const urls = await gemSources(runner, dir)
  return urls === null ? null : { urls }
}

async function gemSources(runner: ToolRunner, dir: string): Promise<string[] | null> {
  const answer = await runner.run('gem', ['sources', '--list'], { cwd: dir })
  const lines = answer?.split('\n').map((line) => line.trim())
  return lines?.filter((line) => URL.canParse(line)) ?? null
}

/** Bundler asks other hosts than its source names. */
async function askBundler({ runner, dir }: AskContext): Promise<ToolAnswer | null> {
  if ((await runner.run('bundle', ['--version'], { cwd: dir })) === null) return null
  const [source] = (await gemSources(runner, dir)) ?? []
  if (source === undefined) return null
  writeFileSync(path.join(dir, 'Gemfile'), `source '${source.replaceAll("'", '%27')}'\ngem 'rake'\n`)
  const env = { BUNDLE_GEMFILE: path.join(dir, 'Gemfile'), BUNDLE_RETRY: '0', BUNDLE_TIMEOUT: '10' }
  const command = { program: 'bundle', args: ['lock'], cwd: dir, env, timeoutMs: SLOW_MS }
  return answerOf(await recordHosts(runner, command))
}

/** Composer's index leads to the hosts of the archives. */
async function askComposer({ runner, dir }: AskContext): Promise<ToolAnswer | null> {
  const quiet = ['--no-interaction', '--no-plugins', '--no-scripts']
  const env = { COMPOSER_ALLOW_SUPERUSER: '1', COMPOSER_CACHE_DIR: path.join(dir, 'cache') }
  if ((await runner.run('composer', ['--version', ...quiet], { cwd: dir, env })) === null) return null
  writeFileSync(path.join(dir, 'composer.json'), '{"require":{"psr/log":"*"}}')
  const args = ['install', '--prefer-dist', '--ignore-platform-reqs', ...quiet]
  return answerOf(await recordHosts(runner, { program: 'composer', args, cwd: dir, env, timeoutMs: SLOW_MS }))
}

function answerOf({ hosts, succeeded }: Awaited<ReturnType<typeof recordHosts>>): ToolAnswer {
  return { urls: hosts.map(urlOf), isPartial: !succeeded }
}

function urlOf({ host, port }: { host: string; port: number }): string {
  return port === 80 ? `http://${host}/` : port === 443 ? `https://${host}/` : `https://${host}:${port}/`
}

function withoutUser(text: string): string {
  const url = new URL(text)
  url.username = ''
  url.password = ''
  return url.href
}

function readOr(file: string, fallback: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // npm names files that need not exist.
    return fallback
  }
}

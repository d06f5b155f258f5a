import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { announced } from './log.mjs'
import { lastLines, runCommand } from './run-command.mjs'
import { filesIn, hashOf } from './source-hash.mjs'
import { StartError } from './start-error.mjs'

const STEP_TIMEOUT_MS = 5 * 60_000
const GENERATED = 'src/db/generated'
const COMPILER_INPUT = ['src', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json']
const WEB_INPUT = ['src/web', 'src/shared', 'src/events', 'vite.config.ts', 'package-lock.json']

/**
 * @typedef {object} BuildOptions
 * @property {string} root
 * @property {NodeJS.ProcessEnv} env
 * @property {import('./log.mjs').Log} log
 */

/**
 * Makes everything that is generated: the database client, `dist/`, the workflow bundle and the page. Each step runs
 * only when its input changed or its output is missing. Rejects with a StartError that holds the compiler's words.
 *
 * @param {BuildOptions} options
 */
export async function build(options) {
  await generateDatabaseClient(options)
  await compile(options)
  await bundleWorkflows(options)
  await buildPage(options)
}

/**
 * @param {BuildOptions} options
 */
export async function generateDatabaseClient({ root, env, log }) {
  const schema = join(root, 'prisma', 'schema.prisma')
  if (!existsSync(schema)) return
  const stamp = join(root, 'node_modules', '.keelson-prisma')
  const input = () => hashOf(root, ['prisma/schema.prisma', 'prisma.config.ts', 'package-lock.json', GENERATED])
  if (existsSync(join(root, GENERATED)) && readStamp(stamp) === input()) return
  await announced(log, 'Generating the database client (prisma generate)', () =>
    runStep(root, 'prisma generate', ['node_modules/prisma/build/index.js', 'generate'], env, {
      // Its start-up wants a schema engine to exist, which it would download; generating never calls it.
      PRISMA_SCHEMA_ENGINE_BINARY: schema,
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      CHECKPOINT_DISABLE: '1',
    }),
  )
  writeFileSync(stamp, input())
}

/** @param {BuildOptions} options */
async function compile({ root, env, log }) {
  const stamp = join(root, 'dist', '.stamp-compile')
  const input = hashOf(root, COMPILER_INPUT, (name) => !name.startsWith('src/web/'))
  if (readStamp(stamp) === input) return
  await announced(log, 'Compiling (tsc)', async () => {
    removeStaleOutput(root)
    await runStep(root, 'The compiler', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], env)
    copyAssets(root)
  })
  writeFileSync(stamp, input)
}

/** @param {BuildOptions} options */
async function bundleWorkflows({ root, env, log }) {
  const bundler = join('dist', 'worker', 'bundle.js')
  if (!existsSync(join(root, bundler))) return
  const bundle = join(root, 'dist', 'workflow-bundle.js')
  const stamp = join(root, 'dist', '.stamp-bundle')
  const input = hashOf(root, ['dist', 'package-lock.json'], isBundleInput)
  if (existsSync(bundle) && readStamp(stamp) === input) return
  await announced(log, 'Bundling the workflows', () => runStep(root, 'The workflow bundler', [bundler], env))
  writeFileSync(stamp, input)
}

/** @param {string} name */
function isBundleInput(name) {
  return (
    name === 'package-lock.json' ||
    (name.endsWith('.js') && !name.endsWith('workflow-bundle.js') && !name.startsWith('dist/web/'))
  )
}

/** @param {BuildOptions} options */
async function buildPage({ root, env, log }) {
  const vite = join('node_modules', 'vite', 'bin', 'vite.js')
  const hasConfig = existsSync(join(root, 'vite.config.ts'))
  if (!existsSync(join(root, 'src', 'web', 'index.html')) || !hasConfig || !existsSync(join(root, vite))) return
  const stamp = join(root, 'dist', '.stamp-page')
  const input = hashOf(root, WEB_INPUT)
  if (readStamp(stamp) === input) return
  await announced(log, 'Building the page (vite build)', () => runStep(root, 'Vite', [vite, 'build'], env))
  writeFileSync(stamp, input)
}

/**
 * @param {string} root
 * @param {string} name who fails, for the error
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @param {Record<string, string>} [moreEnv]
 */
async function runStep(root, name, args, env, moreEnv = {}) {
  const result = await runCommand(process.execPath, args, { cwd: root, env, moreEnv, timeoutMs: STEP_TIMEOUT_MS })
  if (result.code === 0) return
  throw new StartError(`${name} failed (exit code ${result.code}).`, { detail: lastLines(result.output, 40) })
}

/**
 * Removes output whose source is gone, which the compiler leaves.
 *
 * @param {string} root
 */
function removeStaleOutput(root) {
  const dist = join(root, 'dist')
  if (!existsSync(dist)) return
  for (const file of filesIn(dist)) {
    const name = relative(dist, file)
    if (!name.endsWith('.js') || name === 'workflow-bundle.js' || name.startsWith('web/')) continue
    const source = join(root, 'src', name.replace(/\.js$/, '.ts'))
    const asset = join(root, 'src', name)
    if (!existsSync(source) && !existsSync(asset))
      for (const stale of [file, `${file}.map`]) rmSync(stale, { force: true })
  }
}

/**
 * Copies what the compiler leaves aside, such as prompts and scripts, to the same place in `dist/`.
 *
 * @param {string} root
 */
function copyAssets(root) {
  const source = join(root, 'src')
  for (const file of filesIn(source)) {
    const name = relative(source, file)
    if (/\.tsx?$/.test(name) || name.startsWith('web/') || name.startsWith('db/generated/')) continue
    const target = join(root, 'dist', name)
    mkdirSync(dirname(target), { recursive: true })
    cpSync(file, target)
  }
}

/**
 * @param {string} file
 * @returns {string | undefined}
 */
function readStamp(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

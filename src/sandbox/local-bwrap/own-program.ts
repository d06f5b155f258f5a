import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** Nothing of ours reaches the environment of the programs that start commands. */
export const PROGRAM_ENV = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }

/**
 * The command line of a program of this folder with its arguments as JSON. From source it needs the loader that this process
 * itself runs with.
 */
export function programCommand(name: 'runner' | 'ask-sandbox', nodePath: string, args: unknown): string[] {
  const isSource = import.meta.url.endsWith('.ts')
  const program = fileURLToPath(new URL(`./${name}.${isSource ? 'ts' : 'js'}`, import.meta.url))
  const loader = isSource ? ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href] : []
  return [nodePath, ...loader, '--max-old-space-size=128', program, JSON.stringify(args)]
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** The terminal's client as it is delivered. */
export const CLIENT = fileURLToPath(new URL('../../dist/cli/chat.js', import.meta.url))

/** Runs the terminal's client against the instance of this home; its exit code and what it printed. */
export async function runClient(home: string, args: readonly string[]): Promise<{ code: number | null; out: string }> {
  const env = { PATH: process.env['PATH'], KEELSON_HOME: home }
  const child = spawn(process.execPath, [CLIENT, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  child.stdout.on('data', (text: Buffer) => {
    out += text.toString()
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out }
}

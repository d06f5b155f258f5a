import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createSandboxProvider } from '../src/sandbox/create.ts'
import { percentile } from './client.ts'

const DIRECTORIES = 860
const FILES_EACH = 50
const ROUNDS = 30

/**
 * How long a turn's checkpoint and the list of its changes take in a tree of 43,000 files of which one changed, in
 * milliseconds; `cold`: the first one of a process that finds the cache of another.
 */
export async function checkpointMs(): Promise<{ one: number; cold: number }> {
  const dir = await realpath(await mkdtemp(path.join(tmpdir(), 'keelson-bench-')))
  const logger = { info: () => undefined, warn: () => undefined }
  const open = async () => {
    const provider = createSandboxProvider({ kind: 'local-bwrap', dir, logger })
    const ref = await provider.ensure({ projectId: 'prj_bench', generation: 1 })
    return { provider, ref, sandbox: await provider.open(ref) }
  }
  const first = await open()
  try {
    const workspace = path.join(dir, 'projects', first.ref.id, 'workspace')
    for (let at = 0; at < DIRECTORIES; at++) {
      const directory = path.join(workspace, `package-${at % 43}`, `part-${at}`)
      await mkdir(directory, { recursive: true })
      for (let file = 0; file < FILES_EACH; file++) {
        await writeFile(path.join(directory, `file-${file}.ts`), `export const value = ${at * FILES_EACH + file}\n`)
      }
    }
    let before = await first.sandbox.checkpoint()
    // What changed within a tenth of a second before it was read is read once more.
    await first.sandbox.checkpoint()
    const took: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      await first.sandbox.write([{ path: 'package-7/part-7/file-3.ts', data: `export const value = ${round}.5\n` }])
      const startedAt = performance.now()
      const tree = await first.sandbox.checkpoint()
      await first.sandbox.changes(before, tree)
      took.push(performance.now() - startedAt)
      before = tree
    }
    const second = await open()
    const startedAt = performance.now()
    await second.sandbox.checkpoint()
    const cold = performance.now() - startedAt
    await second.provider.close()
    return { one: percentile(took, 0.5), cold }
  } finally {
    await first.provider.close()
    await rm(dir, { recursive: true, force: true })
  }
}

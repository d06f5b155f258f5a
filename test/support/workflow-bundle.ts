import { createHash, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundleWorkflows } from '../../src/worker/bundle.ts'

const SOURCES = ['workflows', 'shared'].map((folder) => new URL(`../../src/${folder}/`, import.meta.url))

/** The workflow code as one file, made once for the same sources and shared by all test files. */
export async function workflowBundle(): Promise<{ readonly codePath: string }> {
  const hash = createHash('sha256')
  for (const folder of SOURCES) {
    const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.ts'))
    for (const name of names.sort()) hash.update(name).update(await readFile(new URL(name, folder)))
  }
  const codePath = join(tmpdir(), `keelson-workflows-${hash.digest('hex').slice(0, 16)}.js`)
  if (!existsSync(codePath)) {
    const half = `${codePath}.${randomUUID()}`
    await writeFile(half, await bundleWorkflows())
    await rename(half, codePath)
  }
  return { codePath }
}

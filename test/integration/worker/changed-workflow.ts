import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundleWorkflowCode } from '@temporalio/worker'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const BEFORE = '    const outcome = await workOnce(task)\n'
const LOOK = `await captureChanges.executeWithOptions({ summary: 'Look before the work' }, [task.ref])`

/**
 * The workflow code of a later release, as one file: a task looks at its changes once more before it works. `isPatched`
 * tells whether its author has put that behind `patched`, as docs/upgrading.md wants it.
 */
export async function changedWorkflow({ isPatched }: { readonly isPatched: boolean }): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-changed-'))
  try {
    for (const folder of ['workflows', 'shared']) {
      mkdirSync(join(directory, folder))
      cpSync(join(ROOT, 'src', folder), join(directory, folder), { recursive: true })
    }
    writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
    symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
    const file = join(directory, 'workflows', 'coding-task.ts')
    const text = readFileSync(file, 'utf8')
    if (text.split(BEFORE).length !== 2) throw new Error(`${BEFORE.trim()} does not stand once in coding-task.ts`)
    const look = isPatched ? `    if (isNewer('look-before-work')) ${LOOK}\n` : `    ${LOOK}\n`
    writeFileSync(
      file,
      `import { patched as isNewer } from '@temporalio/workflow'\n${text.replace(BEFORE, look + BEFORE)}`,
    )
    const { code } = await bundleWorkflowCode({ workflowsPath: join(directory, 'workflows', 'index.ts') })
    return code
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

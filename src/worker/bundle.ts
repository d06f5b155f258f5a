/** Bundles the workflows at build time, so that a worker starts without doing it. `node dist/worker/bundle.js`. */

import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { bundleWorkflowCode } from '@temporalio/worker'

/** The workflow code as one file; `extension` is that of the sources it is made from. */
export async function bundleWorkflows(): Promise<string> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const workflowsPath = fileURLToPath(new URL(`../workflows/index.${extension}`, import.meta.url))
  const { code } = await bundleWorkflowCode({ workflowsPath })
  return code
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(new URL('../workflow-bundle.js', import.meta.url), await bundleWorkflows())
}

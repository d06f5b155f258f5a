/** A process that runs workflow code and no activities. Arguments: address, namespace, task queue, path of the bundle. */

import { NativeConnection, Worker } from '@temporalio/worker'

const [address = '', namespace = '', taskQueue = '', codePath = ''] = process.argv.slice(2)
const worker = await Worker.create({
  connection: await NativeConnection.connect({ address }),
  namespace,
  taskQueue,
  workflowBundle: { codePath },
  // No workflow is kept between its steps, so each step replays the whole history on whichever worker takes it.
  maxCachedWorkflows: 0,
})
process.stdout.write('ready\n')
await worker.run()

import { randomBytes, randomUUID } from 'node:crypto'
import { Client, Connection } from '@temporalio/client'

/** No worker of ours looks here, and no ledger counts what is begun in it. */
const NAMESPACE = 'temporal-system'
const CALL_TIMEOUT_MS = 1_000
const MAX_CALLS = 400

/**
 * Takes what room Temporal's database has left inside the files it holds already (its write-ahead log is used again from
 * the start), so that a full file system is felt at the next write and not whenever the log happens to grow. Throws when
 * Temporal still takes small writes after 400 calls.
 */
export async function takeLastRoom(address: string): Promise<void> {
  const connection = await Connection.connect({ address })
  try {
    const client = new Client({ connection, namespace: NAMESPACE })
    let calls = 0
    // Large ones first; what does not fit any more may leave room for a small one.
    for (const bytes of [150_000, 10_000, 500]) {
      while (await isTaken(client, bytes)) {
        if (++calls > MAX_CALLS) throw new Error(`Temporal takes writes on a full file system after ${calls} calls`)
      }
    }
  } finally {
    await connection.close()
  }
}

async function isTaken(client: Client, bytes: number): Promise<boolean> {
  const options = { workflowId: randomUUID(), taskQueue: 'nobody', args: [randomBytes(bytes).toString('base64')] }
  try {
    await client.withDeadline(Date.now() + CALL_TIMEOUT_MS, () => client.workflow.start('nothing', options))
    return true
  } catch {
    // Refused at once or not answered in time: for our purpose the same.
    return false
  }
}

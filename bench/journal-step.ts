import { createDb } from '../src/db/client.ts'
import { createProject } from '../src/db/project/projects.ts'
import { acceptMessage } from '../src/db/task/accept-message.ts'
import { acquireLease } from '../src/db/task/attempt.ts'
import { beginTurn } from '../src/db/turn/begin-turn.ts'
import { storeReply } from '../src/db/turn/model-calls.ts'
import { finishTools } from '../src/db/turn/tool-calls.ts'
import { readLane } from '../src/db/turn/turns.ts'
import { newId } from '../src/shared/ids.ts'
import { percentile } from './client.ts'

const ROUNDS = 300

/** How long storing a reply, and storing a tool's result, take one at a time on a real Postgres, in milliseconds. */
export async function journalStepMs(databaseUrl: string): Promise<{ reply: number; result: number }> {
  const db = createDb({
    url: databaseUrl,
    applicationName: 'keelson-bench',
    poolSize: 2,
    onEvents: () => {},
    onConnectionError: () => {},
  })
  try {
    const project = await createProject(db, { name: 'journal', source: { kind: 'empty' }, sandboxProvider: 'bench' })
    const accepted = await acceptMessage(db, {
      projectId: project.id,
      text: 'bench',
      delivery: 'steer',
      model: 'claude-haiku-4-5',
      forceRegenerateContext: false,
      budget: {},
      defaultBudget: {},
      maxFixRounds: 2,
    })
    // Nobody else shall work on this task.
    await db.pool.query('DELETE FROM outbox WHERE task_id = $1', [accepted.taskId])
    const ref = { taskId: accepted.taskId, projectId: project.id }
    const attempt = await acquireLease(db, ref, { activity: 'bench', attempt: 1 }, 'working')
    const replies: number[] = []
    const results: number[] = []
    for (let i = 0; i < ROUNDS; i++) {
      const messageId = newId('msg')
      const toolResults = i === 0 ? [] : [{ type: 'text' as const, text: 'go on' }]
      const turn = await beginTurn(attempt, { lane: 'coder', messageId, toolResults, notes: [], idle: true })
      if (!turn) throw new Error('nothing to say')
      const toolUseId = `toolu_${i}`
      const input = { command: 'true' }
      const before = performance.now()
      await storeReply(attempt, {
        turn: turn.turn,
        lane: 'coder',
        messageId,
        reply: {
          content: [{ type: 'tool_use', id: toolUseId, name: 'bash', input }],
          stopReason: 'tool_use',
          stopDetail: null,
          usage: { inputTokens: 1, outputTokens: 1, cacheReadTokens: 0, cacheWriteTokens: 0 },
          costUsd: 0,
          model: 'bench',
          firstTokenMs: 0,
          durationMs: 0,
        },
        parts: [],
        calls: [{ toolUseId, partId: `${messageId}:0`, name: 'bash', input }],
      })
      const stored = performance.now()
      const call = (await readLane(db, accepted.taskId, 'coder')).at(-1)?.toolCalls[0]
      if (!call) throw new Error('no call')
      const reread = performance.now()
      await finishTools(attempt, 'coder', [{ call, result: 'ok', isError: false, durationMs: 1, events: [] }])
      results.push(performance.now() - reread)
      replies.push(stored - before)
    }
    return { reply: percentile(replies, 0.5), result: percentile(results, 0.5) }
  } finally {
    await db.close()
  }
}

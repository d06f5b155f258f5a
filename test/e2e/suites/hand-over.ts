import { describe, expect, test } from 'vitest'
import { isPartAlive, type PartName } from '../../../scripts/lib/state.mjs'
import type { Accepted } from '../../support/api.ts'
import type { EventStream } from '../../support/event-stream.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import type { TestStack } from '../../support/stack.ts'
import { streamFaults } from '../../support/stream-faults.ts'
import { waitFor } from '../../support/wait-for.ts'

const READERS = 50
const POSTS = 10
const RESTART_MS = 60_000

/** What a polite end (SIGTERM) of a process costs those who work and look on: nothing. */
export function handOverSuite(stack: TestStack): void {
  /** SIGTERM; resolves when the supervisor has started the part again. */
  async function endPolitely(part: PartName): Promise<void> {
    const before = stack.state().processes[part]
    process.kill(before ?? 0, 'SIGTERM')
    const isBack = (): boolean => stack.state().processes[part] !== before && isPartAlive(stack.state(), part)
    await waitFor(isBack, `${part} runs again`, RESTART_MS)
  }

  const numbersOf = (stream: EventStream): number[] =>
    stream.events.flatMap((event) => ('seq' in event ? [event.seq] : []))

  /** Looks at /readyz until the address answers no more or says that it is not ready. */
  async function untilUnready(): Promise<void> {
    const look = async (): Promise<boolean> => {
      try {
        return (await fetch(new URL('/readyz', stack.state().url))).status === 503
      } catch {
        return true
      }
    }
    await waitFor(look, 'the server is not ready')
  }

  describe('a polite end', () => {
    test(`of the server tells ${READERS} readers when to come back, and none of them misses an event`, async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const { taskId } = await api.chat(projectId, {
        message: scriptOf([{ repeat: 6, ...running('echo {{turn}}; sleep 0.5', { text: 'Turn {{turn}}.' }) }]),
      })
      const first = await Promise.all(Array.from({ length: READERS }, () => api.projectStream(projectId, { after: 0 })))
      await first[0]?.next('command.started', ({ turn }) => turn === 2)
      const back = endPolitely('server')
      await Promise.all([untilUnready(), ...first.map(({ ended }) => ended)])
      await back
      const second = await Promise.all(first.map(({ cursor }) => api.projectStream(projectId, { lastEventId: cursor })))
      await Promise.all(second.map((stream) => stream.untilTerminal()))
      second.forEach((stream) => stream.close())

      const whole = (await api.storedEvents(taskId)).flatMap((event) => ('seq' in event ? [event.seq] : []))
      const goodbyes = first.map(({ events }) => events.at(-1))
      const delays = goodbyes.flatMap((event) =>
        event?.type === 'stream.degraded' && event.reconnectAfterMs !== undefined ? [event.reconnectAfterMs] : [],
      )
      expect({
        broken: first.filter(({ failure }) => failure !== undefined).length,
        told: delays.length,
        isWithinBounds: delays.every((delay) => delay >= 0 && delay <= 3_000),
        areSpread: new Set(delays).size > READERS / 2,
        missed: first.filter((stream, index) => {
          const seen = [...numbersOf(stream), ...numbersOf(second[index] as EventStream)]
          return JSON.stringify(seen) !== JSON.stringify(whole)
        }).length,
      }).toEqual({ broken: 0, told: READERS, isWithinBounds: true, areSpread: true, missed: 0 })
    })

    test('of the server finishes the requests it has: a message it accepted is there, one it did not is not', async () => {
      const { api } = stack
      const projectIds = await Promise.all(Array.from({ length: POSTS }, () => api.newProject()))
      const post = (projectId: string, index: number) =>
        api.chat(projectId, { message: scriptOf([{ text: `Post ${index}.` }]), clientMessageId: `post-${index}` })
      const posts = projectIds.map(post)
      const back = endPolitely('server')
      const answers = await Promise.allSettled(posts)
      await back
      const stored = await stack.query<{ task_id: string; client_message_id: string }>(
        'SELECT task_id, client_message_id FROM messages WHERE project_id = ANY($1) AND client_message_id IS NOT NULL',
        [projectIds],
      )
      const accepted = answers.flatMap((one) => (one.status === 'fulfilled' ? [one.value.taskId] : []))
      const lost = accepted.filter((id) => !stored.some(({ task_id: taskId }) => taskId === id))
      const again: Accepted[] = await Promise.all(projectIds.map(post))
      const statuses = await Promise.all(again.map(async ({ taskId }) => (await api.ended(taskId)).status))
      const doubled = again.filter(({ taskId }, index) => {
        const answer = answers[index]
        return answer?.status === 'fulfilled' && answer.value.taskId !== taskId
      })
      expect({ lost, doubled, statuses }).toEqual({ lost: [], doubled: [], statuses: statuses.map(() => 'completed') })
    })

    test('of the worker leaves its command running, and the next worker attaches to it', async ({ annotate }) => {
      const { api, model } = stack
      const projectId = await api.newProject()
      const stream = await api.chatStream(projectId, {
        message: scriptOf([
          running(
            'echo begin >> log.txt; for i in 1 2 3 4 5 6 7 8; do echo "tick $i"; sleep 0.5; done; echo end >> log.txt',
          ),
          { text: 'It ran.' },
        ]),
      })
      const { taskId = '' } = await stream.next('command.started')
      await stream.next('output')
      const endedAt = Date.now()
      const back = endPolitely('worker')
      const resumed = await stream.next('task.resumed')
      await back
      const events = await stream.untilTerminal()
      await stream.ended
      await annotate(`SIGTERM to task.resumed: ${resumed.at - endedAt} ms`)
      const content = `/api/workspace/${projectId}/files/content?path=log.txt`
      const streamed = events.reduce((text, event) => {
        const isNext = event.type === 'output' && event.offset === text.length
        return isNext ? text + Buffer.from(event.data, 'base64').toString() : text
      }, '')
      const output = events.flatMap((event) =>
        event.type === 'command.finished' ? [Buffer.from(event.output ?? '', 'base64').toString()] : [],
      )
      // What was printed while no worker was there may come with the closing event alone: output is compared below.
      const others = stream.frames.filter(({ data }) => data.type !== 'output')
      expect(streamFaults(others, { hasDeltas: false })).toEqual([])
      expect({
        log: (await api.get<{ content: string }>(content)).content,
        output,
        commands: events.flatMap((event) =>
          event.type === 'command.finished' ? [[event.status, event.exitCode]] : [],
        ),
        streamedIsItsBeginning: output[0]?.startsWith(streamed),
        turnsAsked: (await model.calls(taskId)).filter(({ lane }) => lane === 'coder').map(({ turn }) => turn),
      }).toEqual({
        log: 'begin\nend\n',
        output: [Array.from({ length: 8 }, (_, index) => `tick ${index + 1}\n`).join('')],
        commands: [['exited', 0]],
        streamedIsItsBeginning: true,
        turnsAsked: [1, 2],
      })
    })
  })
}

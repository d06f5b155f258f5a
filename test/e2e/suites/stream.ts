import { beforeAll, describe, expect, test } from 'vitest'
import { TOPICS, topicOf } from '../../../src/events/topics.ts'
import type { Accepted } from '../../support/api.ts'
import type { EventStream } from '../../support/event-stream.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import type { TestStack } from '../../support/stack.ts'
import { streamFaults } from '../../support/stream-faults.ts'

export function streamSuite(stack: TestStack): void {
  describe('streams', () => {
    let ended: Accepted
    let whole: readonly number[]

    const seqsOf = (stream: EventStream) => stream.events.flatMap((event) => ('seq' in event ? [event.seq] : []))

    beforeAll(async () => {
      const projectId = await stack.api.newProject()
      ended = await stack.api.chat(projectId, {
        message: scriptOf([running('echo line > file.txt; echo out', { text: 'Writing.' }), { text: 'Written.' }]),
      })
      await stack.api.ended(ended.taskId)
      whole = (await stack.api.storedEvents(ended.taskId)).flatMap((event) => ('seq' in event ? [event.seq] : []))
    })

    test('the stored stream has no hole, and both kinds of cursor go on right after what a reader has', async () => {
      const { api } = stack
      expect(whole).toEqual(Array.from({ length: whole.length }, (_, index) => index + 1))
      for (const cut of [0, 1, 7, whole.length - 1]) {
        const streams = [
          await api.taskStream(ended.taskId, { after: cut }),
          await api.taskStream(ended.taskId, { lastEventId: cut }),
          // A browser that reconnects repeats its first address, so the header counts.
          await api.taskStream(ended.taskId, { after: 0, lastEventId: cut }),
        ]
        for (const stream of streams) await stream.untilTerminal()
        expect(streams.map(seqsOf)).toEqual(Array(3).fill(whole.slice(cut)))
      }
    })

    test('an impossible cursor gets one resync with the id to go on from, then what comes next', async () => {
      const { api } = stack
      for (const cursor of ['999999', 'nonsense', '-3']) {
        const stream = await api.projectStream(ended.projectId, { lastEventId: cursor })
        await stream.next('stream.resync')
        const before = stream.frames.length
        const { taskId } = await api.chat(ended.projectId, { message: scriptOf([{ text: 'More.' }]) })
        await stream.next('task.completed', (event) => event.taskId === taskId)
        const [first] = stream.frames
        if (first?.data.type !== 'stream.resync') throw new Error('the first frame is no resync')
        const { latestSeq } = first.data
        expect({
          before,
          id: first.id,
          resyncs: stream.events.filter((event) => event.type === 'stream.resync').length,
          seqs: seqsOf(stream),
        }).toEqual({
          before: 1,
          id: String(latestSeq),
          resyncs: 1,
          seqs: Array.from({ length: stream.cursor - latestSeq }, (_, index) => latestSeq + 1 + index),
        })
        stream.close()
      }
    })

    test('a reader of some topics gets all of theirs and nothing of the others', async () => {
      const { api } = stack
      const all = await api.projectStream(ended.projectId, { after: 0 })
      const some = await api.projectStream(ended.projectId, { after: 0, topics: 'terminal,file-changes' })
      const each = await Promise.all(
        TOPICS.map((topics) => api.projectStream(ended.projectId, { after: all.cursor, topics })),
      )
      const { taskId } = await api.chat(ended.projectId, {
        message: scriptOf([running('echo more >> file.txt; echo out'), { text: 'More.' }]),
      })
      await all.next('task.completed', (event) => event.taskId === taskId)
      const last = (topics: readonly string[]) =>
        all.events.findLast((event) => 'seq' in event && topics.includes(topicOf(event.type)))
      const reached = async (stream: EventStream, topics: readonly string[]) => {
        const target = last(topics)
        if (target !== undefined)
          await stream.next(target.type, (event) => 'seq' in event && 'seq' in target && event.seq === target.seq)
      }
      await reached(some, ['terminal', 'file-changes'])
      const durable = (stream: EventStream, topics: readonly string[]) =>
        stream.events.filter((event) => 'seq' in event && topics.includes(topicOf(event.type)))
      expect(some.events.filter((event) => 'seq' in event)).toEqual(durable(all, ['terminal', 'file-changes']))
      for (const [index, topic] of TOPICS.entries()) {
        const stream = each[index]
        if (stream === undefined) throw new Error('a stream is missing')
        await reached(stream, [topic])
        expect(new Set(stream.events.map((event) => topicOf(event.type)))).toEqual(new Set([topic]))
      }
    })

    test('whoever joins in the middle of a reply gets its beginning, and all readers end with the same text', async () => {
      const { api, model } = stack
      const projectId = await api.newProject()
      const text = Array.from({ length: 200 }, (_, index) => `wörd${index}🦉`).join(' ')
      await model.pace({ tokensPerSecond: 150 })
      try {
        const first = await api.chatStream(projectId, { message: scriptOf([{ text }]) })
        const delta = await first.untilText('wörd30🦉')
        const late = await api.taskStream(delta.taskId ?? '')
        const live = await api.projectStream(projectId)
        await Promise.all([first.untilTerminal(), late.untilTerminal(), live.untilTerminal()])
        const final = first.events.at(-2)
        expect({
          faults: [first, late].map((stream) => streamFaults(stream.frames)),
          // Without a cursor there is no past, but the open part is whole.
          live: streamFaults(live.frames).filter((fault) => fault.startsWith('part ')),
          text: final?.type === 'message.completed' && final.message,
        }).toEqual({ faults: [[], []], live: [], text })
      } finally {
        await model.pace({ tokensPerSecond: 0 })
      }
    })

    test('Redis that dies takes nothing with it: readers get every event, and the task goes on', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const stream = await api.chatStream(projectId, {
        message: scriptOf([{ repeat: 6, ...running('echo {{turn}}; sleep 0.4', { text: 'Turn {{turn}}.' }) }]),
      })
      const { taskId = '' } = await stream.next('command.started', (event) => event.turn === 2)
      await stack.killAndAwait('redis')
      await stream.untilTerminal()
      await stream.ended
      const stored = await api.storedEvents(taskId)
      expect(stream.events.filter((event) => 'seq' in event)).toEqual(stored)
      expect((await api.task(taskId)).outcome).toBe('no_changes')
    })
  })
}

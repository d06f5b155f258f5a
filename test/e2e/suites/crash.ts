import { describe, expect, test } from 'vitest'
import { HELD, letGo } from '../../support/held-command.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import type { TestStack } from '../../support/stack.ts'
import { streamFaults } from '../../support/stream-faults.ts'
import { waitFor } from '../../support/wait-for.ts'

export function crashSuite(stack: TestStack): void {
  describe('crashes', () => {
    const LINES = ['one', 'two', 'three']
    /** Each command leaves a line when it begins and one when it ends; the log shows what ran, and how often. */
    const logged = (name: string, seconds: number) =>
      running(`echo begin-${name} >> log.txt; sleep ${seconds}; echo end-${name} >> log.txt`, { text: `Step ${name}.` })

    async function logOf(projectId: string): Promise<string[]> {
      const path = `/api/workspace/${projectId}/files/content?path=log.txt`
      return (await stack.api.get<{ content: string }>(path)).content.trim().split('\n')
    }

    test('a worker killed in the middle of a command repeats neither it nor a stored reply, and the task ends', async ({
      annotate,
    }) => {
      const { api, model } = stack
      const projectId = await api.newProject()
      const message = scriptOf([logged('one', 0), logged('two', 3), logged('three', 0), { text: 'All three ran.' }])
      const stream = await api.chatStream(projectId, { message })
      const started = await stream.next('command.started', (event) => event.command.includes('begin-two'))
      await waitFor(async () => (await logOf(projectId)).includes('begin-two'), 'the second command runs')
      const killedAt = Date.now()
      await stack.killAndAwait('worker')
      const resumed = await stream.next('task.resumed')
      const events = await stream.untilTerminal()
      await stream.ended
      await annotate(`worker killed to task.resumed: ${resumed.at - killedAt} ms`)

      const taskId = started.taskId ?? ''
      const calls = (await model.calls(taskId)).filter((call) => call.lane === 'coder')
      expect(streamFaults(stream.frames)).toEqual([])
      expect({
        log: await logOf(projectId),
        status: (await api.task(taskId)).outcome,
        resumed: events.filter((event) => event.type === 'task.resumed').length,
        commands: events.flatMap((event) =>
          event.type === 'command.finished' ? [[event.status, event.exitCode]] : [],
        ),
        // One for each turn: every reply had been stored when the worker died.
        turnsAsked: calls.map((call) => call.turn),
        broken: calls.filter((call) => call.status !== 200 || call.sdkRetry !== 0).length,
      }).toEqual({
        log: LINES.flatMap((name) => [`begin-${name}`, `end-${name}`]),
        status: 'approved',
        resumed: 1,
        commands: Array(3).fill(['exited', 0]),
        turnsAsked: [1, 2, 3, 4],
        broken: 0,
      })
    })

    test('a worker that falls silent is missed within seconds, and seen again when it is back', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const { taskId } = await api.chat(projectId, { message: scriptOf([{ text: 'Done.' }]) })
      await api.ended(taskId)
      const seen = async (workers: string) => (await api.task(taskId)).workers === workers
      await waitFor(() => seen('polling'), 'the worker is seen')
      const worker = stack.state().processes.worker ?? 0
      process.kill(worker, 'SIGSTOP')
      try {
        // Temporal itself would list it for over a minute.
        await waitFor(() => seen('none'), 'the worker is missed', 20_000)
      } finally {
        process.kill(worker, 'SIGCONT')
      }
      await waitFor(() => seen('polling'), 'the worker is seen again')
    })

    test('a worker killed while a reply streams asks for that reply once more and for no other', async () => {
      const { api, model } = stack
      const projectId = await api.newProject()
      const long = Array.from({ length: 300 }, (_, index) => `word${index}`).join(' ')
      await model.pace({ tokensPerSecond: 200 })
      try {
        const stream = await api.chatStream(projectId, { message: scriptOf([logged('one', 0), { text: long }]) })
        const delta = await stream.untilText('word20 ')
        await stack.killAndAwait('worker')
        const events = await stream.untilTerminal()
        await stream.ended
        const calls = (await model.calls(delta.taskId)).filter((call) => call.lane === 'coder')
        const final = events.at(-2)
        expect(streamFaults(stream.frames)).toEqual([])
        expect({
          log: await logOf(projectId),
          turnsAsked: calls.map((call) => call.turn),
          resets: events.flatMap((event) => (event.type === 'turn.reset' ? [[event.turn, event.attempt]] : [])),
          final: final?.type === 'message.completed' && final.message,
        }).toEqual({ log: ['begin-one', 'end-one'], turnsAsked: [1, 2, 2], resets: [[2, 2]], final: long })
      } finally {
        await model.pace({ tokensPerSecond: 0 })
      }
    })

    test('readers of a server that is killed miss nothing and get nothing twice when they come back', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const { taskId, cursor } = await api.chat(projectId, {
        message: scriptOf([
          { repeat: 6, ...running('echo {{turn}}; sleep 0.4', { text: 'Turn {{turn}}.' }) },
          running(HELD),
          { text: 'Done.' },
        ]),
      })
      const first = await api.taskStream(taskId, { after: cursor })
      await first.next('command.started', (event) => event.turn === 3)
      await stack.killAndAwait('server')
      await first.ended
      const second = await api.taskStream(taskId, { lastEventId: first.cursor })
      await second.next('command.started', (event) => event.turn === 5)
      second.close()
      await second.ended
      const third = await api.taskStream(taskId, { after: second.cursor })
      letGo(stack, projectId)
      await third.untilTerminal()
      await third.ended

      const whole = (await api.storedEvents(taskId)).map((event) => ('seq' in event ? event.seq : -1))
      const seen = [first, second, third].flatMap((stream) =>
        stream.events.flatMap((event) => ('seq' in event ? [event.seq] : [])),
      )
      expect(seen).toEqual(whole)
      expect(whole).toEqual(Array.from({ length: whole.length }, (_, index) => cursor + 1 + index))
    })

    test('an instance that is stopped in the middle of a task finds its data again and goes on with it', async () => {
      const { api } = stack
      const done = await api.newProject({ kind: 'files', files: { 'a.txt': 'kept\n' } })
      const ended = await api.chat(done, { message: scriptOf([{ text: 'Nothing to do.' }]) })
      const before = await api.ended(ended.taskId)
      const projectId = await api.newProject()
      const { taskId } = await api.chat(projectId, {
        message: scriptOf([logged('one', 0), logged('two', 30), logged('three', 0), { text: 'All three ran.' }]),
      })
      const stream = await api.taskStream(taskId)
      await stream.next('command.started', (event) => event.command.includes('begin-two'))
      await waitFor(async () => (await logOf(projectId)).includes('begin-two'), 'the second command runs')
      const { apiToken } = stack.state()
      await stack.halt()
      await stack.start()

      const task = await api.ended(taskId)
      const late = await api.taskStream(taskId)
      await late.untilTerminal()
      await late.ended
      expect(streamFaults(late.frames, { hasDeltas: false })).toEqual([])
      expect({
        token: stack.state().apiToken,
        earlier: await api.task(ended.taskId),
        log: await logOf(projectId),
        outcome: task.outcome,
        commands: late.events.flatMap((event) => (event.type === 'command.finished' ? [event.status] : [])),
      }).toEqual({
        token: apiToken,
        earlier: before,
        // Stopping ends what runs; the model is told so, and no command is run a second time.
        log: ['begin-one', 'end-one', 'begin-two', 'begin-three', 'end-three'],
        outcome: 'approved',
        commands: ['exited', 'killed', 'exited'],
      })
    })
  })
}

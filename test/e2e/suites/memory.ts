import { describe, expect, test } from 'vitest'
import { running, scriptOf } from '../../support/model-admin.ts'
import type { TestStack } from '../../support/stack.ts'
import { waitFor } from '../../support/wait-for.ts'

export function memorySuite(stack: TestStack): void {
  describe('memory', () => {
    test('a fact and a task are known to the next task, in its prompt and in the sandbox, and change no file of the project', async () => {
      const { api, model } = stack
      const projectId = await api.newProject()
      const script = scriptOf([running('cat .claude/memory.md || true'), { text: 'Noted.' }])
      const first = await api.chat(projectId, { message: `Remember: prices are in cents\n${script}` })
      expect(await api.ended(first.taskId)).toMatchObject({ outcome: 'no_changes', diffStat: { files: 0 } })
      const second = await api.chat(projectId, { message: script })
      expect(await api.ended(second.taskId)).toMatchObject({ outcome: 'no_changes', diffStat: { files: 0 } })

      const bodies = await model.bodies(second.taskId)
      const text = JSON.stringify(bodies.at(-1))
      expect({
        told: JSON.stringify(bodies[0]?.messages).includes('- prices are in cents'),
        earlier: text.includes('Noted.'),
        // As `cat` printed it: harness-written, with the fact in it.
        file: text.includes('# Memory') && text.includes('Written by the harness'),
      }).toEqual({ told: true, earlier: true, file: true })

      const summaries = () =>
        stack.query<{ name: string }>('SELECT name FROM task_summaries WHERE task_id = $1', [second.taskId])
      const [summary] = await waitFor(async () => {
        const rows = await summaries()
        return rows.length > 0 && rows
      }, 'the task has a summary')
      expect(summary?.name).toContain('(completed, no changes)')
    })
  })
}

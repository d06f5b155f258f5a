import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acceptMessage } from '../../../src/db/accept-message.ts'
import { listMessages } from '../../../src/db/conversations.ts'
import { projectMemory, replaceFacts } from '../../../src/db/memory.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { aMessage, aProject, framesOf, post } from '../../support/tasks.ts'

let db: TestDb
beforeAll(async () => {
  db = await aDb()
})
afterAll(() => db.close())

async function factsOf(projectId: string): Promise<{ version: number; texts: string[] }> {
  const { version, facts } = await projectMemory(db, projectId)
  return { version, texts: facts.map((fact) => fact.text) }
}

describe('a line that begins with remember:', () => {
  test('is stored with its message, in any case, once for the same words', async () => {
    const projectId = await aProject(db)
    await post(db, { projectId, text: 'Fix it.\n  REMEMBER: use   tabs \nremember:never push\nDo you remember: this?' })
    await post(db, { projectId, text: 'remember: Use tabs' })
    expect(await factsOf(projectId)).toEqual({ version: 1, texts: ['use tabs', 'never push'] })
  })

  test('is stored once when the message is posted fifty times at once', async () => {
    const projectId = await aProject(db)
    const message = aMessage({ projectId, text: 'remember: one\nremember: two', clientMessageId: 'same' })
    await Promise.all(Array.from({ length: 50 }, () => acceptMessage(db, message)))
    expect(await factsOf(projectId)).toEqual({ version: 1, texts: ['one', 'two'] })
  })

  test('that is too long or too much is said in a note of the conversation, the others are kept', async () => {
    const projectId = await aProject(db)
    const facts = Array.from({ length: 99 }, (_, index) => ({ text: `fact ${index}` }))
    await replaceFacts(db, projectId, { version: 0, facts })
    db.published.length = 0
    const text = `remember: ${'x'.repeat(501)}\nremember: the hundredth\nremember: one too many`
    const { conversationId, taskId } = await post(db, { projectId, text })
    const { version, texts } = await factsOf(projectId)
    expect([version, texts.length, texts.at(-1)]).toEqual([2, 100, 'the hundredth'])
    const note = [
      'Not remembered:',
      `- ${'x'.repeat(79)}… (longer than 500 characters)`,
      '- one too many (100 facts are remembered already; remove some first)',
    ].join('\n')
    const { items } = await listMessages(db, conversationId, { limit: 10 })
    expect(items.map((item) => [item.role, item.text, item.taskId])).toEqual([
      ['user', text, taskId],
      ['note', note, taskId],
    ])
    expect(framesOf(db.published).map((frame) => frame.type)).toEqual([
      'task.accepted',
      'message.created',
      'message.created',
      'message.completed',
    ])
  })

  test('belongs to its project alone', async () => {
    const [one, other] = [await aProject(db), await aProject(db)]
    await post(db, { projectId: one, text: 'remember: mine' })
    expect([await factsOf(one), await factsOf(other)]).toEqual([
      { version: 1, texts: ['mine'] },
      { version: 0, texts: [] },
    ])
  })
})

describe('the list as a person edits it', () => {
  test('keeps ids and times of facts that stay, and refuses a list based on an older one', async () => {
    const projectId = await aProject(db)
    await post(db, { projectId, text: 'remember: a\nremember: b' })
    const { facts } = await projectMemory(db, projectId)
    const [a, b] = facts
    const edited = await replaceFacts(db, projectId, {
      version: 1,
      facts: [{ id: b?.id, text: 'b, but better' }, { text: 'c' }],
    })
    expect(edited.facts.map(({ id, text }) => [id === b?.id, text])).toEqual([
      [true, 'b, but better'],
      [false, 'c'],
    ])
    expect(edited.facts[0]?.createdAt).toBe(b?.createdAt)
    const late = replaceFacts(db, projectId, { version: 1, facts: [{ id: a?.id, text: 'a' }] })
    await expect(late).rejects.toMatchObject({ code: 'version_conflict', details: { current: edited } })
    const gone = replaceFacts(db, projectId, { version: 2, facts: [{ text: 'x' }, { id: a?.id, text: 'a' }] })
    await expect(gone).rejects.toMatchObject({
      code: 'bad_request',
      message: "facts[1].id: is not one of this project's facts",
    })
    expect(await projectMemory(db, projectId)).toEqual(edited)
  })

  test('changes once when two people save at once', async () => {
    const projectId = await aProject(db)
    const saves = await Promise.allSettled(
      ['x', 'y', 'z'].map((text) => replaceFacts(db, projectId, { version: 0, facts: [{ text }] })),
    )
    expect(saves.map((save) => save.status).sort()).toEqual(['fulfilled', 'rejected', 'rejected'])
    expect((await factsOf(projectId)).version).toBe(1)
  })
})

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listMessages } from '../../../src/db/project/conversations.ts'
import { acceptMessage } from '../../../src/db/task/accept-message.ts'
import { forgetFact, projectMemory, replaceFacts } from '../../../src/db/turn/memory.ts'
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

describe('a message whose first line begins with remember:', () => {
  test('is remembered, in any case, once for the same words, and told of as one event', async () => {
    const projectId = await aProject(db)
    db.published.length = 0
    const { messageId } = await post(db, { projectId, text: '  REMEMBER: use   tabs \nremember: what was pasted' })
    await post(db, { projectId, text: 'remember: Use tabs' })
    const { version, facts } = await projectMemory(db, projectId)
    const told = framesOf(db.published).filter((frame) => frame.type === 'memory.remembered')
    expect([version, facts.map((fact) => fact.text), told]).toEqual([
      1,
      ['use tabs'],
      [expect.objectContaining({ messageId, version: 1, facts: [{ id: facts[0]?.id, text: 'use tabs' }] })],
    ])
  })

  test('is no memory when it is pasted, quoted or comes later', async () => {
    const projectId = await aProject(db)
    for (const text of ['```\nremember: a\n```', '```text\nremember: a\n```', '> remember: a', 'Fix it.\nremember: a'])
      await post(db, { projectId, text })
    expect(await factsOf(projectId)).toEqual({ version: 0, texts: [] })
  })

  test('is stored once when the message is posted fifty times at once', async () => {
    const projectId = await aProject(db)
    const message = aMessage({ projectId, text: 'remember: one', remember: 'two', clientMessageId: 'same' })
    await Promise.all(Array.from({ length: 50 }, () => acceptMessage(db, message)))
    expect(await factsOf(projectId)).toEqual({ version: 1, texts: ['one', 'two'] })
  })

  test('that is too long or too much is said in a note of the conversation, the other is kept', async () => {
    const projectId = await aProject(db)
    const facts = Array.from({ length: 99 }, (_, index) => ({ text: `fact ${index}` }))
    await replaceFacts(db, projectId, { version: 0, facts })
    db.published.length = 0
    const text = `remember: ${'x'.repeat(501)}`
    const { conversationId, taskId } = await post(db, { projectId, text, remember: 'the hundredth' })
    await post(db, { projectId, text: 'remember: one too many' })
    const { version, texts } = await factsOf(projectId)
    expect([version, texts.length, texts.at(-1)]).toEqual([2, 100, 'the hundredth'])
    const { items } = await listMessages(db, conversationId, { limit: 10 })
    expect(items.map((item) => [item.role, item.text, item.taskId])).toEqual([
      ['user', text, taskId],
      ['note', `Not remembered:\n- ${'x'.repeat(79)}… (longer than 500 characters)`, taskId],
      ['user', 'remember: one too many', taskId],
      ['note', 'Not remembered:\n- one too many (100 facts are remembered already; remove some first)', taskId],
    ])
  })

  test('is taken back once, by its fact’s id', async () => {
    const projectId = await aProject(db)
    await post(db, { projectId, text: 'remember: a', remember: 'b' })
    const [a, b] = (await projectMemory(db, projectId)).facts
    expect(await forgetFact(db, projectId, a?.id ?? '')).toEqual({ version: 2, facts: [b] })
    await expect(forgetFact(db, projectId, a?.id ?? '')).rejects.toMatchObject({ code: 'not_found' })
    expect(await factsOf(projectId)).toEqual({ version: 2, texts: ['b'] })
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
    await post(db, { projectId, text: 'remember: a', remember: 'b' })
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

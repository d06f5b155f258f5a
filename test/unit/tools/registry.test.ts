import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { coderTools, findTool, parseToolInput, reviewerTools, toolDefinitions } from '../../../src/tools/registry.ts'
import type { Tool } from '../../../src/tools/tool.ts'

function tool(name: string): Tool {
  const found = findTool([...coderTools, ...reviewerTools], name)
  if (found === undefined) throw new Error(`no tool ${name}`)
  return found
}

test('the tools have a fixed order and the reviewer none that changes anything', () => {
  expect(coderTools.map((entry) => [entry.definition.name, entry.readOnly])).toEqual([
    ['bash', false],
    ['read', true],
    ['write', false],
    ['edit', false],
    ['glob', true],
    ['grep', true],
    ['plan', true],
    ['ask', true],
    ['service', false],
  ])
  expect(reviewerTools.map((entry) => [entry.definition.name, entry.readOnly])).toEqual([
    ['read', true],
    ['glob', true],
    ['grep', true],
    ['submit_review', true],
  ])
})

test('definitions are plain object schemas with the contract’s field names', () => {
  const fields = toolDefinitions(coderTools).map(({ name, input_schema }) => [
    name,
    Object.keys(input_schema['properties'] as object),
    input_schema['required'],
    input_schema.type,
    Object.keys(input_schema),
  ])
  const keys = ['type', 'properties', 'required', 'additionalProperties']
  expect(fields).toEqual([
    ['bash', ['command', 'timeout', 'description'], ['command'], 'object', keys],
    ['read', ['file_path', 'offset', 'limit'], ['file_path'], 'object', keys],
    ['write', ['file_path', 'content', 'confirm_complete'], ['file_path', 'content'], 'object', keys],
    [
      'edit',
      ['file_path', 'old_string', 'new_string', 'replace_all', 'confirm_complete'],
      ['file_path', 'old_string', 'new_string'],
      'object',
      keys,
    ],
    ['glob', ['pattern', 'path'], ['pattern'], 'object', keys],
    ['grep', ['pattern', 'path', 'glob', 'output_mode', 'ignore_case', 'context'], ['pattern'], 'object', keys],
    ['plan', ['items'], ['items'], 'object', keys],
    ['ask', ['question', 'options', 'allow_other', 'default', 'expires_in_minutes'], ['question'], 'object', keys],
    ['service', ['action', 'command', 'name', 'port', 'id'], ['action'], 'object', keys],
  ])
})

test('the definitions are the same bytes each time they are asked for', () => {
  const digest = () =>
    createHash('sha256')
      .update(JSON.stringify(toolDefinitions(coderTools)))
      .digest('hex')
  expect(digest()).toBe(digest())
})

describe('parseToolInput', () => {
  test('valid input comes back as it was sent', () => {
    const input = { command: 'ls', timeout: 5_000 }
    expect(parseToolInput(tool('bash'), input)).toEqual({ ok: true, input })
  })

  test.each([
    ['bash', {}, 'command'],
    ['bash', { command: 'ls', timeout: 600_001 }, 'timeout'],
    ['bash', { command: 'ls', timeout: '5' }, 'timeout'],
    ['bash', { command: 'ls', timeout_ms: 5 }, 'timeout_ms'],
    ['edit', { file_path: 'a', old_string: '', new_string: 'x' }, 'old_string'],
    ['read', { file_path: 'a', offset: 0 }, 'offset'],
    ['grep', { pattern: 'a', output_mode: 'lines' }, 'output_mode'],
  ])('%s %j is refused naming %s', (name, input, field) => {
    expect(parseToolInput(tool(name), input)).toMatchObject({ ok: false, message: expect.stringContaining(field) })
  })

  test.each([null, undefined, 'ls', 5, []])('%j is refused without throwing', (input) => {
    expect(parseToolInput(tool('bash'), input)).toMatchObject({ ok: false })
  })
})

test('a name that no tool has is not found', () => {
  expect(findTool(coderTools, 'toString')).toBeUndefined()
})

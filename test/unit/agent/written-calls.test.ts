import { describe, expect, test } from 'vitest'
import { hasWrittenCall } from '../../../src/agent/written-calls.ts'
import type { AssistantBlock } from '../../../src/model/types.ts'
import { coderTools, toolDefinitions } from '../../../src/tools/registry.ts'

const tools = toolDefinitions(coderTools)
const saying = (text: string) => hasWrittenCall([{ type: 'text', text }], tools)
const fenced = (json: string, language = 'json') => `I will look.\n\n\`\`\`${language}\n${json}\n\`\`\``

describe('a call that is written as text is known', () => {
  test.each([
    fenced('{"name": "bash", "arguments": {"command": "ls"}}'),
    fenced('{"name": "bash", "arguments": {"command": "ls"}}', ''),
    fenced('{"tool": "bash", "command": "ls"}'),
    fenced('{"name": "write", "file_path": "a", "content": "b"}'),
    fenced('{"type": "function", "function": {"name": "read", "arguments": "{\\"file_path\\": \\"a\\"}"}}'),
    fenced('[{"name": "bash", "parameters": {"command": "ls"}}]'),
    fenced('{"bash": {"command": "ls"}}'),
    fenced('{{"name": "bash", "arguments": {"command": "ls"}}}'),
    fenced('{"name": "bash"}'),
    '{"name": "bash", "arguments": {"command": "ls"}}',
    '```json\n{"name": "bash", "arguments": {"command": "ls"}}',
    '<tool_call>\n{"name": "bash", "arguments": {"command": "ls"}}\n</tool_call>',
    '<function=bash><parameter=command>ls</parameter></function>',
    '<invoke name="bash"><parameter name="command">ls</parameter></invoke>',
    '[TOOL_CALLS] [{"name": "grep", "arguments": {"pattern": "x"}}]',
    '<bash>\nls\n</bash>',
  ])('%j', (text) => {
    expect(saying(text)).toBe(true)
  })
})

describe('other text is none', () => {
  test.each([
    'I ran bash and read the file. Done.',
    fenced('{"name": "read", "version": "1.0.0", "scripts": {"test": "node t.js"}}'),
    fenced('{"scripts": {"test": "node t.js"}}'),
    fenced('ls -l', 'bash'),
    fenced('{"name": "deploy", "arguments": {}}'),
    'Use `<tools>` in your settings.',
    '',
  ])('%j', (text) => {
    expect(saying(text)).toBe(false)
  })

  test('nor is text beside a real call', () => {
    const call: AssistantBlock = { type: 'tool_use', id: 'toolu_1', name: 'bash', input: { command: 'ls' } }
    expect(hasWrittenCall([{ type: 'text', text: fenced('{"name": "bash", "arguments": {}}') }, call], tools)).toBe(
      false,
    )
    expect(hasWrittenCall(null, tools)).toBe(false)
  })
})

import { describe, expect, test } from 'vitest'
import { revealHidden, revealReordering } from '../../../src/web/text/reveal-hidden.ts'
import { safeLink } from '../../../src/web/text/safe-link.ts'
import { partialInput, summarizeTool } from '../../../src/web/thread/tool-summary.ts'

describe('text that was written to mislead', () => {
  test('shows in code what reorders, hides or controls', () => {
    const code = 'if (admin) {\u202e } \u2066// check\u2069 \u200bok\u{e0041} \x1b[31mred\x07'
    expect(revealHidden(code)).toBe(
      'if (admin) {⟦U+202E⟧ } ⟦U+2066⟧// check⟦U+2069⟧ ⟦U+200B⟧ok⟦U+E0041⟧ ⟦U+001B⟧[31mred⟦U+0007⟧',
    )
    expect(revealHidden('tabs\tand\nlines\r\nstay, ümlaute and 日本語 too')).toBe(
      'tabs\tand\nlines\nstay, ümlaute and 日本語 too',
    )
  })

  test('keeps what scripts and emoji need in prose, and shows what reorders it', () => {
    expect(revealReordering('👩\u200d💻 می\u200cخواهم \u202egnp.exe')).toBe('👩\u200d💻 می\u200cخواهم ⟦U+202E⟧gnp.exe')
  })

  test('offers only links whose address one can judge', () => {
    const hrefs = [
      'https://example.org/a?b=c',
      'http://example.org:8080/',
      'mailto:a@example.org',
      'javascript:alert(1)',
      'data:text/html,<script>alert(1)</script>',
      'vbscript:x',
      'file:///etc/passwd',
      'https://github.com@evil.example/',
      '//evil.example',
      '/relative',
      'java\nscript:alert(1)',
    ]
    expect(hrefs.map((href) => safeLink(href)?.host ?? null)).toEqual([
      'example.org',
      'example.org:8080',
      'a@example.org',
      ...Array.from({ length: 8 }, () => null),
    ])
  })

  test('describes calls whose input is not what the tool takes', () => {
    const inputs = [null, undefined, 7, 'text', [], { command: 7 }, { command: { a: 1 } }, { __proto__: null }]
    expect(inputs.map((input) => summarizeTool('bash', input, null))).toEqual(
      inputs.map(() => ({ kind: 'run', verb: 'Run', target: '' })),
    )
    expect(summarizeTool('constructor', {}, null)).toEqual({ kind: 'other', verb: 'constructor', target: '' })
    expect(summarizeTool('read', { file_path: 'a\u202ecod.exe' }, null)).toEqual({
      kind: 'read',
      verb: 'Read',
      target: 'a⟦U+202E⟧cod.exe',
      path: 'a\u202ecod.exe',
    })
  })

  test('reads the fields of a call that still streams', () => {
    expect(partialInput('{"file_path":"src/a.ts","old_string":"say \\"hi\\"\\n","new_str')).toEqual({
      file_path: 'src/a.ts',
      old_string: 'say "hi"\n',
    })
    expect(summarizeTool(null, null, '{"command":"npm te')).toEqual({ kind: 'run', verb: 'Run', target: 'npm te' })
  })
})

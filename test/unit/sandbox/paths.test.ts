import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { relativePath } from '../../../src/sandbox/local-bwrap/confined.ts'
import { runnerSocketPath, sandboxId, sandboxPaths } from '../../../src/sandbox/local-bwrap/layout.ts'

const errorCode = (call: () => unknown): unknown => {
  try {
    return call()
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error
  }
}

describe('paths of the workspace', () => {
  test('are taken in every spelling', () => {
    const given = [
      'a/b',
      './a//b/',
      '/workspace/a/b',
      'a/x/../b',
      '/workspace/../workspace/a/b',
      '.',
      '',
      '/workspace',
      '..x',
    ]
    expect(given.map((each) => relativePath(each, '/workspace'))).toEqual([...Array(5).fill('a/b'), '', '', '', '..x'])
  })

  test('never lead out, whatever is given', () => {
    const part = fc.constantFrom('..', '.', '', 'a', 'workspace', '/', '\\', '…')
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), fc.boolean(), (parts, absolute) => {
        const result = errorCode(() => relativePath((absolute ? '/' : '') + parts.join('/'), '/workspace'))
        if (result === 'sandbox_bad_request') return
        expect(`/${String(result)}/`).not.toMatch(/^\/\/.|\/\.\.\//)
      }),
    )
  })
})

describe('names of sandboxes', () => {
  test('become directories below the base and nothing else', () => {
    expect([
      sandboxPaths('/base', sandboxId('prj_1', 2)).workspace,
      ...['../x/g1', 'a/b/g1', 'a', 'a/1', 'a/g', '../g1', './g1', 'a/g1/..'].map((id) =>
        errorCode(() => sandboxPaths('/base', id)),
      ),
    ]).toEqual(['/base/projects/prj_1/g2/workspace', ...Array(8).fill('sandbox_bad_request')])
  })

  test('the socket of the runner stays short however deep the base directory lies', () => {
    const deep = `/${'directory/'.repeat(30)}sandboxes`
    expect([runnerSocketPath('/base', 'ab12'), runnerSocketPath(deep, 'ab12').length <= 100]).toEqual([
      '/base/runner-ab12.sock',
      true,
    ])
  })
})

import { describe, expect, test } from 'vitest'
import { alwaysPasses } from '../../../src/project/checks/always-passes.ts'

describe('a script proves nothing when no file of the project can make it fail', () => {
  test.each([
    'echo ok',
    'exit 0',
    'true',
    ':',
    "printf 'done; && |\\n' 'x'".replace('\\n', ''),
    'echo "no tests yet" && exit 0',
    'true || node --test',
    'node --test || true',
    'node --test || echo failed',
    'node --test; exit 0',
    'node --test && echo ok || true',
    'echo a; echo b;',
    'exit 0; node --test',
    'false || true',
    'node a.js | cat',
    'node a.js 2>&1 | tee log | tail -n 5',
    'true && node a.js | tee log',
  ])('%s', (script) => {
    expect(alwaysPasses(script)).toBe(true)
  })
})

describe('a script may prove something when', () => {
  test.each([
    'node --test',
    'echo testing && node --test',
    'echo testing; node --test',
    'true && node --test',
    'node --test && echo ok',
    'node --test && exit 0',
    'exit 1',
    'exit',
    'false',
    'true && false',
    'node --test || exit 1',
    'node a.js | grep -c ok',
    'tape t.js | tap-spec',
    'cat list | node a.js',
    'set -o pipefail; node a.js | tee log',
    'node a.js > log',
    'node a.js | tee log && node b.js',
    'echo $(node --test)',
    '[ -f dist/a.js ] || exit 2',
    'npm run unit',
    '(exit 0); node --test',
    'node server.js & node --test',
    'set -e; node --test; true',
    '',
  ])('%s', (script) => {
    expect(alwaysPasses(script)).toBe(false)
  })
})

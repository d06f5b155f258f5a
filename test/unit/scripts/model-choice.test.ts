import { expect, test } from 'vitest'
import { withoutModel } from '../../../scripts/lib/child-env.mjs'
import { chooseModel } from '../../../scripts/lib/model-choice.mjs'

const local = 'http://127.0.0.1:8080'

test.each<[settings: Record<string, string>, chosen: object]>([
  [{}, { kind: 'scripted' }],
  [{ ANTHROPIC_API_KEY: 'k' }, { kind: 'anthropic', baseUrl: 'https://api.anthropic.com' }],
  [{ ANTHROPIC_BASE_URL: local }, { kind: 'anthropic', baseUrl: local }],
  [
    { ANTHROPIC_API_KEY: 'k', ANTHROPIC_BASE_URL: local },
    { kind: 'anthropic', baseUrl: local },
  ],
  [{ ANTHROPIC_API_KEY: 'k', KEELSON_MODEL_KIND: 'scripted' }, { kind: 'scripted' }],
])('a start with %j uses %j', (settings, chosen) => {
  expect(chooseModel(settings)).toEqual(chosen)
})

test('what runs on the scripted model alone is given neither key nor server', () => {
  expect(withoutModel({ ANTHROPIC_API_KEY: 'k', ANTHROPIC_BASE_URL: local, KEELSON_MODEL_KIND: 'x', A: '1' })).toEqual({
    A: '1',
  })
})

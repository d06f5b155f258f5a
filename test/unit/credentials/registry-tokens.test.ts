import { expect, test } from 'vitest'
import type { OpenCredential } from '../../../src/credentials/credentials.ts'
import { createRegistryTokens } from '../../../src/credentials/registry-tokens.ts'

const one = (host: string, username?: string): OpenCredential => ({
  id: `crd_${host}`,
  host,
  username,
  secret: 's',
  createdAt: new Date(0),
})

test('a token without a user is a bearer’s; what was read stays while the database is away', async () => {
  let isAway = true
  let failures = 0
  const tokens = createRegistryTokens({
    credentials: {
      findAll: () =>
        isAway ? Promise.reject(new Error('away')) : Promise.resolve([one('a.example'), one('b.example:8443', 'u')]),
      markUsed: () => Promise.resolve(),
    },
    onFailure: () => {
      failures += 1
    },
  })
  const before = await tokens.read()
  isAway = false
  const read = await tokens.read()
  isAway = true
  const after = await tokens.read()
  const common = { scheme: 'https', addresses: 'public' }
  expect({ before, read, same: after === read, failures }).toEqual({
    before: [],
    read: [
      {
        ...common,
        host: 'a.example',
        port: 443,
        credentials: [{ pathPrefix: '/', authorization: 'Bearer s', id: 'crd_a.example' }],
      },
      {
        ...common,
        host: 'b.example',
        port: 8443,
        credentials: [{ pathPrefix: '/', authorization: 'Basic dTpz', id: 'crd_b.example:8443' }],
      },
    ],
    same: true,
    failures: 1,
  })
})

import { expect, test } from 'vitest'
import { isLinkToken, makeLinkToken } from '../../../src/shared/sign-in-link.ts'

const NOW = 1_800_000_000_000
const MINUTE_MS = 60_000

test('a link holds for ten minutes, for the API token that made it, and not when a letter was changed', () => {
  const token = makeLinkToken('the-token', NOW)
  const [kind, until, nonce, mac] = token.split('.')
  const later = [kind, String(Number(until) + MINUTE_MS), nonce, mac].join('.')
  expect({
    now: isLinkToken('the-token', token, NOW),
    soon: isLinkToken('the-token', token, NOW + 9 * MINUTE_MS),
    late: isLinkToken('the-token', token, NOW + 10 * MINUTE_MS),
    early: isLinkToken('the-token', token, NOW - MINUTE_MS),
    other: isLinkToken('another-token', token, NOW),
    later: isLinkToken('the-token', later, NOW),
    nonsense: ['', 'link', `${token}x`, 'link.1.2.3'].filter((text) => isLinkToken('the-token', text, NOW)),
    twice: makeLinkToken('the-token', NOW) === token,
  }).toEqual({
    now: true,
    soon: true,
    late: false,
    early: false,
    other: false,
    later: false,
    nonsense: [],
    twice: false,
  })
})

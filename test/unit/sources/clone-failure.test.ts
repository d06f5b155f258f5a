import { expect, test } from 'vitest'
import { describeFailedClone } from '../../../src/sources/clone-failure.ts'
import { HOST_REFUSED } from '../../../src/sources/git-host.ts'

const base = { status: 'exited', output: '', failure: null, host: 'git.example.com', limitMinutes: 8 }

test.each([
  [
    { failure: { kind: 'refused' as const }, output: 'fatal: unable to access: CONNECT tunnel failed, response 403' },
    HOST_REFUSED,
  ],
  [{ status: 'timed_out' }, 'The repository could not be cloned within 8 minutes.'],
  [
    { reason: 'It was stopped because the workspace holds more than 40 MiB.' },
    'The repository cannot be cloned. It was stopped because the workspace holds more than 40 MiB.',
  ],
  [
    { output: 'x\nkeelson:limit its files are more than 40 MiB, the limit of a workspace\n' },
    'The repository cannot be cloned: its files are more than 40 MiB, the limit of a workspace.',
  ],
  [
    { ref: 'v9', output: 'fatal: Remote branch v9 not found in upstream origin' },
    'There is no branch, tag or commit "v9" in the repository that its host gives out.',
  ],
  [
    { failure: { kind: 'status' as const, status: 404, isAuthorized: false } },
    'The repository could not be cloned. There is no such repository, or this service has no access to it.',
  ],
  [
    { failure: { kind: 'status' as const, status: 401, isAuthorized: false } },
    'The repository could not be cloned. There is no such repository, or this service has no access to it. For a private one, store a token for git.example.com.',
  ],
  [
    { failure: { kind: 'status' as const, status: 401, isAuthorized: true } },
    'The repository could not be cloned. git.example.com refused the stored token: it is wrong, expired or revoked. Delete it and store a new one for git.example.com.',
  ],
  [
    { failure: { kind: 'status' as const, status: 403, isAuthorized: true } },
    'The repository could not be cloned. git.example.com knows the stored token but gives it no right to read this repository; it needs a scope that does.',
  ],
  [
    { failure: { kind: 'status' as const, status: 404, isAuthorized: true } },
    'The repository could not be cloned. There is no such repository, or the stored token for git.example.com has no access to it.',
  ],
  [
    { failure: { kind: 'moved' as const, to: 'elsewhere.example' } },
    'The repository could not be cloned. It has moved to elsewhere.example: name its new address. Nothing was sent there.',
  ],
  [
    { output: 'error: RPC failed; curl 18 transfer closed\nfatal: early EOF' },
    'The repository could not be cloned. The repository’s host does not answer, or it broke the transfer off.',
  ],
  [{ output: 'fatal: something \u001b[31mnew' }, 'The repository could not be cloned. fatal: something ?[31mnew'],
])('%o is told as a sentence', (clone, sentence) => {
  expect(describeFailedClone({ ...base, ...clone })).toBe(sentence)
})

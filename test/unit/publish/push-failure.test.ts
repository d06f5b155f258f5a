import { expect, test } from 'vitest'
import type { GitFailure } from '../../../src/egress/git-proxy.ts'
import { fetchFailure, pushFailure } from '../../../src/publish/push-failure.ts'

const failed = (output: string, failure: GitFailure | null = null) => ({
  output,
  failure,
  host: 'git.example.com',
  branch: 'topic',
  isFork: false,
})
const status = (code: number, isAuthorized = true): GitFailure => ({ kind: 'status', status: code, isAuthorized })

test.each([
  [
    '! x [remote rejected] (refusing to allow a Personal Access Token to create or update workflow `.github/workflows/ci.yml` without `workflow` scope)',
    'missing_scope',
  ],
  [
    '! x [remote rejected] (refusing to allow a GitHub App to create or update workflow `x` without `workflows` permission)',
    'missing_scope',
  ],
  ['remote: error: GH006: Protected branch update failed for refs/heads/main.', 'branch_protected'],
  ['remote: GitLab: You are not allowed to push code to protected branches on this project.', 'branch_protected'],
  ["remote: error: File a.bin is 120.00 MB; this exceeds GitHub's file size limit of 100.00 MB", 'git_refused'],
  ['remote: error: GH007: Your push would publish a private email address.', 'git_refused'],
  ['!\tx\t[rejected] (non-fast-forward)', 'branch_moved'],
  ['!\tx\t[rejected] (stale info)', 'branch_moved'],
  ['remote: Write access to repository not granted.', 'missing_scope'],
  ['remote: You are not allowed to push to this project.', 'missing_scope'],
  [
    'remote: error: GH013: Repository rule violations found\n! [remote rejected] (push declined due to repository rule violations)',
    'git_refused',
  ],
  ['! [remote rejected] (pre-receive hook declined)', 'git_refused'],
  [
    'remote: error: GH013: Repository rule violations found for refs/heads/x.\nremote: - Changes must be made through a pull request.',
    'branch_protected',
  ],
  ['remote: - GITHUB PUSH PROTECTION\nremote:   Push cannot contain secrets', 'git_refused'],
  ['remote: Gitea: branch main is protected from changing file x', 'branch_protected'],
  ["remote: The 'x' organization has enabled or enforced SAML SSO.", 'credential_refused'],
  ['error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413', 'git_refused'],
  ['', 'git_refused'],
])('%s is told as %s', (output, code) => {
  const error = pushFailure(failed(output))
  expect([error.code, error.message.includes('HOST') || error.message.includes('BRANCH')]).toEqual([code, false])
})

test('what the host answered tells the rest, and what it says itself is shown without control characters', () => {
  const codes = [
    status(401, false),
    status(401),
    status(403),
    status(404),
    status(502),
    status(429),
    { kind: 'unreachable' },
  ] as const
  expect({
    push: codes.map((failure) => pushFailure(failed('', failure)).code),
    fetch: codes.map((failure) => fetchFailure(failed('', failure)).code),
    gone: fetchFailure(failed('fatal: remote error: upload-pack: not our ref 123')).code,
    words: pushFailure(failed('remote: No \u001b[2Jsecrets, please\nremote: ----\n! [remote rejected] (x)')).message,
  }).toEqual({
    push: [
      'credential_missing',
      'credential_refused',
      'missing_scope',
      'credential_refused',
      'git_unreachable',
      'git_unreachable',
      'git_unreachable',
    ],
    fetch: [
      'credential_missing',
      'credential_refused',
      'missing_scope',
      'credential_refused',
      'git_unreachable',
      'git_unreachable',
      'git_unreachable',
    ],
    gone: 'branch_moved',
    words: 'git.example.com refused the push (x). It said: No ?[2Jsecrets, please',
  })
})

test('who may not write there is told of the fork, and who pushed to their fork is not', () => {
  const output = 'remote: Permission to team/project.git denied to someone.'
  const told = [false, true].map((isFork) => pushFailure({ ...failed(output, status(403)), isFork }).message)
  expect(told.map((message) => message.includes('keelson publish --pr --fork'))).toEqual([true, false])
})

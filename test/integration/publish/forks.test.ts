/** Publishing without the right to push, as a person does it: from one's own fork, at stand-ins for the three services. */

import { afterEach, expect, test } from 'vitest'
import { aGitea } from '../../support/forges/gitea.ts'
import { aGitHub } from '../../support/forges/github.ts'
import { aGitLab } from '../../support/forges/gitlab.ts'
import { aProject } from '../../support/tasks.ts'
import { aPublishWorld, errorOf, type PublishWorld, SECRET } from './world.ts'

const KINDS = { github: aGitHub, gitlab: aGitLab, gitea: aGitea }
let world: PublishWorld | undefined
afterEach(async () => {
  await world?.close()
})

test.each(['github', 'gitlab', 'gitea'] as const)(
  '%s: who may not push publishes from a fork, which is made once, also when it lags behind',
  async (kind) => {
    const forge = KINDS[kind](SECRET, () => made.host.origin)
    const made = await aPublishWorld(forge.api)
    world = made
    const { host } = made
    host.repository('team/project', 'for n in 1 2 3; do echo $n > a; git add -A; git commit -qm base-$n; done')
    host.quirks.isReadOnly.add('team/project')
    forge.forks.make = () => {
      host.fork('team/project', 'someone/project')
      // It was made long ago: the newest commits came to the repository since.
      host.inside('someone/project', 'git update-ref refs/heads/main main~2; git gc -q --prune=now')
    }
    const projectId = await aProject(made.db, made.source('team/project'))
    const first = await made.task(projectId, 'echo 4 > a', 'Open it')
    const refused = await made.publish(first, { pullRequest: true })
    const opened = await made.publish(first, { pullRequest: true, fork: true })
    const conversationId = await made.conversationOf(first)
    const second = await made.task(projectId, 'echo 5 > a', 'Go on', { conversationId })
    const updated = await made.publish(second, { pullRequest: true, fork: true })
    const again = await made.publish(second, { fork: true, pullRequest: true })
    expect({
      refused: [refused['status'], errorOf(refused), /publish from a fork/.test(JSON.stringify(refused['error']))],
      ended: [opened, updated, again].map((each) => [each['status'], errorOf(each), each['fork'], each['branch']]),
      branchUrl: String(updated['branchUrl']).includes('/someone/project/'),
      pulls: forge.pulls.map(({ number, head, from, base }) => ({ number, head, from, base })),
      forks: forge.forks.made,
      log: host.inside('someone/project', 'git log --format=%s keelson/open-it').trim().split('\n'),
      own: host.inside('team/project', 'git for-each-ref --format="%(refname)" refs/heads'),
      tip: host.inside('someone/project', 'git rev-parse keelson/open-it').trim() === updated['commit'],
      violations: forge.violations,
    }).toEqual({
      refused: ['failed', 'missing_scope', true],
      ended: Array.from({ length: 3 }, () => ['finished', undefined, 'someone/project', 'keelson/open-it']),
      branchUrl: true,
      pulls: [{ number: 1, head: 'keelson/open-it', from: 'someone/project', base: 'main' }],
      forks: 1,
      log: ['Go on', 'Open it', 'base-3', 'base-2', 'base-1'],
      own: 'refs/heads/main\n',
      tip: true,
      violations: [],
    })
  },
)

test('a fork that is not filled yet is waited for; a token that may not fork, and a repository of its own, are told', async () => {
  const forge = aGitHub(SECRET, () => made.host.origin)
  const made = await aPublishWorld(forge.api)
  world = made
  made.host.repository('team/project', 'echo 1 > a; git add -A; git commit -qm base')
  const projectId = await aProject(made.db, made.source('team/project'))
  const taskId = await made.task(projectId, 'echo 2 > a', 'Open it')
  forge.refuseNext('POST', { status: 403, body: { message: 'Resource not accessible by personal access token' } })
  const forbidden = await made.publish(taskId, { fork: true })
  forge.forks.own = 'Team/project'
  const itself = await made.publish(taskId, { fork: true })
  forge.forks.own = null
  const early = await made.publish(taskId, { fork: true })
  made.host.fork('team/project', 'someone/project')
  const filled = await made.publish(taskId, { fork: true })
  const told = (each: Record<string, unknown>) => [errorOf(each), (each['error'] as { message: string }).message]
  expect([told(forbidden), told(itself), told(early), filled['status'], filled['pullRequest']]).toEqual([
    ['missing_scope', expect.stringMatching(/may not fork.*public_repo.*on its page yourself/)],
    ['forge_refused', 'Team/project belongs to the token’s owner already: publish without a fork.'],
    ['forge_unreachable', expect.stringMatching(/^The fork someone\/project cannot be read yet/)],
    'finished',
    null,
  ])
})

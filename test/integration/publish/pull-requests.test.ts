/** Pull requests at stand-ins for GitHub Enterprise, GitLab and Gitea on the git host itself, by the services' own clients. */

import { afterEach, expect, test } from 'vitest'
import type { ForgeStandIn } from '../../support/forges/forge.ts'
import { aGitea } from '../../support/forges/gitea.ts'
import { aGitHub } from '../../support/forges/github.ts'
import { aGitLab } from '../../support/forges/gitlab.ts'
import { aProject } from '../../support/tasks.ts'
import { aPublishWorld, control, errorOf, type PublishWorld, SECRET } from './world.ts'

const KINDS = { github: aGitHub, gitlab: aGitLab, gitea: aGitea }
const PAGES = {
  github: '/tree/keelson/open-it',
  gitlab: '/-/tree/keelson/open-it',
  gitea: '/src/branch/keelson/open-it',
}
/** The mark of a draft is kept, which at two of them is a part of the title. */
const NAMED = { github: 'Named', gitlab: 'Draft: Named', gitea: 'WIP: Named' }
const WORDS = { github: 'body', gitlab: 'description', gitea: 'body' }
let world: PublishWorld | undefined
afterEach(async () => {
  await world?.close()
})

async function aWorld(
  kind: keyof typeof KINDS,
): Promise<{ world: PublishWorld; forge: ForgeStandIn; projectId: string }> {
  const forge = KINDS[kind](SECRET, () => made.host.origin)
  const made: PublishWorld = await aPublishWorld(forge.api)
  world = made
  made.host.repository('team/project', 'echo 1 > a; git add -A; git commit -qm base')
  return { world: made, forge, projectId: await aProject(made.db, made.source('team/project')) }
}

test.each(['github', 'gitlab', 'gitea'] as const)(
  '%s: one pull request, which later tasks bring up to date',
  async (kind) => {
    const { world, forge, projectId } = await aWorld(kind)
    const first = await world.task(projectId, 'echo 2 > a', 'Open it\n\n@team <!-- keelson:end -->')
    const pushed = await world.publish(first)
    const opened = await world.publish(first, { pullRequest: true, draft: true })
    const [pull] = forge.pulls
    const body = pull?.body ?? ''
    if (pull !== undefined) {
      pull.body = `Words of a person\n\n${body}\n\nmore words`
      pull.title = pull.title.replace('Open it', 'Their title')
    }
    const conversationId = await world.conversationOf(first)
    const second = await world.task(projectId, 'echo 3 > a', 'Go on', { conversationId })
    const updated = await world.publish(second, { pullRequest: true })
    // A list that lags behind, and an answer that was lost: looked up again, nothing opened twice.
    forge.hideNext()
    const lagging = await world.publish(second, { pullRequest: true, title: 'Named' })
    expect({
      statuses: [pushed, opened, updated, lagging].map((each) => [each['status'], errorOf(each)]),
      numbers: [pushed, opened, updated, lagging].map(
        (each) => (each['pullRequest'] as { number: number } | null)?.number,
      ),
      branchUrl: String(opened['branchUrl']).replace(world.host.origin, ''),
      pulls: forge.pulls.map(({ number, head, base, draft, title }) => ({ number, head, base, draft, title })),
      first: [body.includes(`Task ${first}`), body.includes('@team'), body.match(/keelson:end/g)?.length],
      last: [
        forge.pulls[0]?.body.startsWith('Words of a person\n\n<!-- keelson:begin -->'),
        forge.pulls[0]?.body.endsWith('<!-- keelson:end -->\n\nmore words'),
        forge.pulls[0]?.body.includes(`Task ${second}`),
        forge.pulls[0]?.body.includes(`Task ${first}`),
      ],
      edits: forge.edits,
      violations: forge.violations,
      commits: world.host.inside('team/project', 'git rev-list --count keelson/open-it').trim(),
    }).toEqual({
      statuses: Array.from({ length: 4 }, () => ['finished', undefined]),
      numbers: [undefined, 1, 1, 1],
      branchUrl: `/team/project${PAGES[kind]}`,
      pulls: [{ number: 1, head: 'keelson/open-it', base: 'main', draft: true, title: NAMED[kind] }],
      // What is not named stays as people left it: labels, reviewers, and a title nobody gave.
      edits: [[WORDS[kind]], [WORDS[kind], 'title']],
      first: [true, false, 2],
      last: [true, true, true, false],
      violations: [],
      commits: '3',
    })
  },
)

test.each(['github', 'gitlab', 'gitea'] as const)(
  '%s: what is missing or in the way is named, and a wait is a wait',
  async (kind) => {
    const { world, forge, projectId } = await aWorld(kind)
    const taskId = await world.task(projectId, 'echo 2 > a', 'Open it')
    forge.protectedBranches.add('main')
    const guarded = await world.publish(taskId, { branch: 'main' })
    const untouched = world.host.inside('team/project', 'git log --format=%s main')
    const refusals = {
      github: {
        status: 403,
        body: { message: 'Resource not accessible by personal access token' },
        headers: { 'x-accepted-github-permissions': 'pull_requests=write' },
      },
      gitlab: { status: 403, body: { error: 'insufficient_scope', error_description: 'needs higher privileges' } },
      gitea: {
        status: 403,
        body: { message: 'token does not have at least one of required scope(s): [write:repository]' },
      },
    }
    forge.refuseNext('POST', refusals[kind])
    const scope = await world.publish(taskId, { pullRequest: true })
    const { body: asked } = await world.post(`/api/tasks/${taskId}/publish`, { pullRequest: true })
    const id = String(asked['publicationId'])
    await world.steps.buildCommit(id, control)
    await world.steps.pushBranch(id, control)
    forge.refuseNext('POST', { status: 429, body: { message: 'slow down' }, headers: { 'retry-after': '7' } })
    const waited = await world.steps.openPullRequest(id, control).catch((error: unknown) => error)
    await world.steps.openPullRequest(id, control)
    await world.steps.openPullRequest(id, control)
    expect({
      guarded: [guarded['status'], errorOf(guarded)],
      untouched,
      scope: [
        scope['status'],
        errorOf(scope),
        /pull_requests=write|scope .{1,2}api|write:repository/.test(JSON.stringify(scope['error'])),
      ],
      waited: waited instanceof Error && {
        code: 'code' in waited && waited.code,
        ms: 'retryAfterMs' in waited && waited.retryAfterMs,
      },
      pulls: forge.pulls.length,
      violations: forge.violations,
    }).toEqual({
      guarded: ['failed', 'branch_protected'],
      untouched: 'base\n',
      scope: ['failed', 'missing_scope', true],
      waited: { code: 'forge_unreachable', ms: 7_000 },
      pulls: 1,
      violations: [],
    })
  },
)

test('a host that is none of them keeps the branch and says how to go on; a pull request into itself is refused', async () => {
  world = await aPublishWorld()
  world.host.repository('team/project', 'echo 1 > a; git add -A; git commit -qm base')
  const projectId = await aProject(world.db, world.source('team/project'))
  const taskId = await world.task(projectId, 'echo 2 > a', 'Open it')
  const unknown = await world.publish(taskId, { pullRequest: true })
  const itself = await world.publish(taskId, { pullRequest: true, branch: 'main' })
  expect({
    told: [unknown, itself].map((each) => [each['status'], errorOf(each)]),
    branches: world.host.inside('team/project', 'git for-each-ref --format="%(refname)" refs/heads'),
  }).toEqual({
    told: [
      ['failed', 'forge_unknown'],
      ['failed', 'bad_request'],
    ],
    branches: 'refs/heads/keelson/open-it\nrefs/heads/main\n',
  })
})

/** Repositories that are not as most are: each is cloned and published to, or is a sentence with nothing half-made. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { AppError } from '../../../src/shared/errors.ts'
import { run } from '../../contract/sandbox/harness.ts'
import type { ForgeStandIn } from '../../support/forges/forge.ts'
import { aGitHub } from '../../support/forges/github.ts'
import { aProject } from '../../support/tasks.ts'
import { aPublishWorld, errorOf, type PublishWorld, SECRET } from './world.ts'

const SMALL = 'echo 1 > a; git add -A; git commit -qm base'
let world: PublishWorld
let forge: ForgeStandIn
beforeAll(async () => {
  forge = aGitHub(SECRET, () => world.host.origin)
  world = await aPublishWorld(forge.api)
}, 60_000)
afterAll(async () => {
  await world?.close()
})

async function aClone(name: string, ref?: string): Promise<string> {
  return await aProject(world.db, { ...world.source(name), ...(ref === undefined ? {} : { ref }) })
}
/** Opens a project's files, or says why they cannot be had. */
async function told(projectId: string): Promise<string> {
  try {
    await world.parts.workspaces.open(projectId)
    return 'opened'
  } catch (error) {
    if (error instanceof AppError) return `${error.code}: ${error.message}`
    throw error
  }
}
const outcome = (publication: Record<string, unknown>) => [publication['status'], errorOf(publication)]
const sentence = (publication: Record<string, unknown>) => (publication['error'] as { message: string }).message

/** Eight levels of ninety directories each, of which the lowest is the tree named by the shell's `tree`. */
const ENDLESS = `for level in 1 2 3 4 5 6 7 8; do
  tree=$(for i in $(seq 10 99); do printf '040000 tree %s\\td%s\\n' $tree $i; done | git mktree)
done`

test('names that git checks out nowhere, trees without end, and a repository that changes meanwhile are sentences', async () => {
  const { host } = world
  host.repository('dot-git', SMALL)
  host.inside(
    'dot-git',
    `link=$(printf target | git hash-object -w --stdin)
     tree=$(printf '120000 blob %s\\t.git\\n' $link | git mktree); git update-ref refs/heads/main $(git commit-tree $tree -m evil)`,
  )
  host.repository('endless', SMALL)
  host.inside(
    'endless',
    `tree=$(git rev-parse 'main^{tree}'); ${ENDLESS}
     git update-ref refs/heads/main $(git commit-tree $tree -m endless)
     tree=$(git mktree < /dev/null); ${ENDLESS}
     git update-ref refs/heads/hollow $(git commit-tree $tree -m hollow)`,
  )
  host.repository('moving', SMALL)
  host.quirks.beforeTransfer.set('moving', () => {
    host.inside(
      'moving',
      `git update-ref refs/heads/main $(git commit-tree -m other 'main^{tree}'); git gc -q --prune=now`,
    )
  })
  const moving = await aClone('moving')
  const failed = 'project_source_failed: The repository'
  expect({
    dotGit: await told(await aClone('dot-git')),
    endless: await told(await aClone('endless')),
    hollow: await told(await aClone('endless', 'hollow')),
    moving: await told(moving),
    again: await told(moving),
  }).toEqual({
    dotGit: `${failed} cannot be cloned: it holds the name .git, which git checks out nowhere.`,
    endless: `${failed} cannot be cloned: it has more than 200000 files.`,
    hollow: `${failed} cannot be cloned: it has more than 200000 files.`,
    moving: `${failed} could not be cloned. It changed while it was read. Try again.`,
    again: 'opened',
  })
})

test('names that differ in case alone, submodules and pointers stay what they are; the default branch may have any name', async () => {
  const { host } = world
  host.repository(
    'team/project',
    `echo upper > README; echo lower > readme; echo '*.bin filter=lfs diff=lfs merge=lfs -text' > .gitattributes
     printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%064d\\nsize 1\\n' 0 > a.bin; git add -A
     git update-index --add --cacheinfo 160000,$(printf '1%.0s' $(seq 40)),sub; git commit -qm base; git branch -m main trunk`,
  )
  const projectId = await aClone('team/project')
  const command = 'echo changed > readme; mkdir s; ln -s ../a.bin s/.git'
  const taskId = await world.task(projectId, command, 'Case')
  const published = await world.publish(taskId, { pullRequest: true })
  expect({
    published: [...outcome(published), published['baseBranch']],
    base: forge.pulls.map(({ base }) => base),
    changed: host.inside('team/project', 'git diff --name-status trunk keelson/case'),
    kept: host.inside('team/project', 'git ls-tree keelson/case a.bin sub | cut -c1-12; git show keelson/case:README'),
    violations: forge.violations,
  }).toEqual({
    published: ['finished', undefined, 'trunk'],
    base: ['trunk'],
    changed: 'M\treadme\n',
    kept: '100644 blob \n160000 commi\nupper\n',
    violations: [],
  })
})

test('an empty repository gets its first branch; one whose default is no branch, and a clone of one commit, say where it goes', async () => {
  const { host } = world
  host.repository('empty', 'true')
  const first = await world.task(await aClone('empty'), 'echo 1 > a', 'Begin')
  const refused = await world.publish(first, { pullRequest: true })
  const begun = await world.publish(first, { branch: 'main' })

  host.repository('detached', SMALL)
  host.inside('detached', 'tip=$(git rev-parse main); echo $tip > HEAD')
  const detached = await world.task(await aClone('detached'), 'echo 2 > a', 'Loose')
  const nowhere = await world.publish(detached, { pullRequest: true })
  const loose = await world.publish(detached)

  host.repository('by-commit', `${SMALL}; echo 2 > b; git add -A; git commit -qm second`)
  const commit = host.inside('by-commit', 'git rev-parse main~1').trim()
  const fixed = await world.task(await aClone('by-commit', commit), 'echo 3 > a', 'Fixed')
  const ofCommit = await world.publish(fixed)
  expect({
    refused: [...outcome(refused), sentence(refused).includes('empty')],
    begun: [...outcome(begun), host.inside('empty', 'git log --format=%s main')],
    nowhere: [...outcome(nowhere), sentence(nowhere).includes('names no default one')],
    loose: outcome(loose),
    ofCommit: [...outcome(ofCommit), ofCommit['baseBranch'], ofCommit['parent'] === commit],
  }).toEqual({
    refused: ['failed', 'bad_request', true],
    begun: ['finished', undefined, 'Begin\n'],
    nowhere: ['failed', 'bad_request', true],
    loose: ['finished', undefined],
    ofCommit: ['finished', undefined, 'main', true],
  })
})

test('a host that is shallow itself, one of an older protocol, one that asks who it is late, and one that has moved', async () => {
  const { host } = world
  host.repository('shallow', `${SMALL}; for i in 1 2 3; do echo $i >> a; git commit -qam $i; done`)
  host.inside('shallow', 'tip=$(git rev-parse main~1); echo $tip > shallow; git gc -q --prune=now')
  const shallow = await world.publish(await world.task(await aClone('shallow'), 'echo 2 > a', 'Shallow'))

  host.repository('old', SMALL)
  host.quirks.isOld.add('old')
  host.inside('old', 'git config --unset uploadpack.allowReachableSHA1InWant')
  const old = await world.task(await aClone('old'), 'echo 2 > a', 'Old')
  const onTip = await world.publish(old)
  host.change('old', 'echo 1 > b; git add -A; git commit -qm later')
  const belowTip = await world.publish(old, { branch: 'below' })

  host.repository('late', SMALL)
  host.quirks.asksLate.add('late')
  const large = await world.task(await aClone('late'), 'head -c 3000000 /dev/urandom > large; echo 2 > a', 'Large')
  const small = await world.task(await aClone('late'), 'echo 3 > a', 'Small')
  const late = [await world.publish(large), await world.publish(small)]

  host.repository('gone', SMALL)
  const gone = await world.task(await aClone('gone'), 'echo 2 > a', 'Gone')
  host.redirect('/gone.git', 'https://elsewhere.example/gone.git')
  const moved = await world.publish(gone)
  const branchesOf = (name: string) =>
    host.inside(name, 'git for-each-ref --format="%(refname:lstrip=2)" refs/heads').trim().split('\n')
  expect({
    told: [shallow, onTip, belowTip, ...late, moved].map(outcome),
    moved: /moved to elsewhere\.example/.test(sentence(moved)),
    branches: ['shallow', 'old', 'late', 'gone'].map(branchesOf),
  }).toEqual({
    told: [...Array.from({ length: 5 }, () => ['finished', undefined]), ['failed', 'git_refused']],
    moved: true,
    branches: [
      ['keelson/shallow', 'main'],
      ['below', 'keelson/old', 'main'],
      ['keelson/large', 'keelson/small', 'main'],
      ['main'],
    ],
  })
})

test('a change of another project, and one of a project that was deleted, are not there', async () => {
  world.host.repository('other', SMALL)
  const projectId = await aClone('other')
  const taskId = await world.task(projectId, 'echo 2 > a', 'Other')
  const published = await world.publish(taskId)
  const another = await aClone('other')
  const listed = await world.get(`/api/workspace/${another}/publications?taskId=${taskId}`)
  await world.db.pool.query('UPDATE projects SET deleted_at = now() WHERE id = $1', [projectId])
  const after = [
    await world.post(`/api/tasks/${taskId}/publish`, {}),
    await world.get(`/api/tasks/${taskId}/patch`),
    await world.get(`/api/publications/${String(published['id'])}`),
  ]
  const sandbox = await world.parts.workspaces.open(another)
  expect({
    published: outcome(published),
    listed: listed.body['items'],
    after: after.map(({ status, body }) => [status, errorOf(body)]),
    another: (await run(sandbox, 'cat a; git branch --list')).output,
  }).toEqual({
    published: ['finished', undefined],
    listed: [],
    after: Array.from({ length: 3 }, () => [404, 'not_found']),
    another: '1\n* main\n',
  })
})

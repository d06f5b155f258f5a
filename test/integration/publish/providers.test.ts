/** Patch, publication and sync, as people call them, of projects in each kind of sandbox. */

import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import type { SandboxKind, SandboxProvider } from '../../../src/sandbox/types.ts'
import { run } from '../../contract/sandbox/harness.ts'
import { aGitea } from '../../support/forges/gitea.ts'
import { aProject } from '../../support/tasks.ts'
import { aFakeE2b, fakeUnavailable } from '../sandbox/fake-e2b.ts'
import { TOKEN } from '../server/harness.ts'
import { aPublishWorld, errorOf, type PublishWorld, SECRET } from './world.ts'

const BASE = `printf 'one\\n' > a.txt; seq 1 9 > n.txt; echo gone > gone.txt; printf 'x\\r\\n' > crlf.txt; printf '.env\\n' > .gitignore
  mkdir d; echo k > d/kept; ln -s a.txt link; head -c 3000000 /dev/zero > large.bin; git add -A; git commit -qm base`

/** A world whose projects are in this kind of sandbox, and how to end it. */
async function aWorldOf(
  kind: SandboxKind,
): Promise<{ world: PublishWorld; forge: ReturnType<typeof aGitea>; end(): Promise<void> }> {
  let origin = ''
  const forge = aGitea(SECRET, () => origin)
  const e2b = kind === 'e2b' ? await aFakeE2b() : null
  const elsewhere: SandboxProvider | undefined = e2b?.provider()
  const world = await aPublishWorld(forge.api, elsewhere)
  origin = world.host.origin
  return {
    world,
    forge,
    async end() {
      await world.close()
      await e2b?.close()
    },
  }
}

describe.each(['local-bwrap', 'e2b'] as const)('%s', (kind) => {
  const reason = kind === 'e2b' ? fakeUnavailable() : null

  test.skipIf(reason !== null)(
    'a change goes out as a patch and as a pull request, upstream comes in, a conflict changes nothing until marks are asked for',
    { timeout: 120_000 },
    async () => {
      const { world, forge, end } = await aWorldOf(kind)
      try {
        const { host } = world
        host.repository('team/project', BASE)
        const projectId = await aProject(world.db, world.source('team/project'), kind)
        const sandbox = await world.parts.workspaces.open(projectId)
        const taskId = await world.task(
          projectId,
          `printf 'two\\n' > a.txt; rm gone.txt; printf 'x\\r\\ny\\r\\n' > crlf.txt; echo s > .env; mkdir new; echo n > 'new/é x'; chmod +x n.txt; ln -sfn n.txt link`,
          'Change it',
        )
        const patch = await fetch(`${world.server.url}/api/tasks/${taskId}/patch`, {
          headers: { authorization: `Bearer ${TOKEN}` },
        })
        const published = await world.publish(taskId, { pullRequest: true })
        const applied = amTree(host.inside('team/project', 'pwd').trim(), Buffer.from(await patch.arrayBuffer()))
        const changed = host.inside('team/project', 'git diff --name-status --no-renames main keelson/change-it')

        host.change('team/project', 'echo up > up.txt; sed -i s/9/nine/ n.txt; git add -A; git commit -qm theirs')
        const merged = await world.post(`/api/workspace/${projectId}/sync`, {})
        const conversationId = await world.conversationOf(taskId)
        const later = await world.task(projectId, 'echo more >> a.txt', 'More', { conversationId })
        const updated = await world.publish(later, { pullRequest: true })
        host.change('team/project', "printf 'theirs\\n' > a.txt; git add -A; git commit -qm clash")
        const refused = await world.post(`/api/workspace/${projectId}/sync`, { onConflict: 'refuse' })
        const untouched = (await run(sandbox, 'cat a.txt')).output
        const marked = await world.post(`/api/workspace/${projectId}/sync`, { onConflict: 'markers' })
        const seen = await run(
          sandbox,
          'grep -c "^[<>]" a.txt; tail -n 1 n.txt; cat up.txt .env; git status --porcelain | wc -l; stat -c %s large.bin',
        )
        expect({
          patch: patch.status,
          published: [published['status'], errorOf(published), (published['pullRequest'] as { number: number }).number],
          sameTree: applied === host.inside('team/project', "git rev-parse 'keelson/change-it~1^{tree}'").trim(),
          changed: changed.split('\n').map((line) => line.replace('\t', ' ')),
          merged: [merged.status, merged.body['status'], merged.body['changed'], merged.body['historyMoved']],
          updated: [updated['status'], errorOf(updated), (updated['pullRequest'] as { number: number }).number],
          refused: [refused.status, errorOf(refused.body)],
          untouched,
          marked: [marked.body['status'], marked.body['conflicts']],
          seen: seen.output.split('\n'),
          pulls: forge.pulls.length,
          violations: forge.violations,
        }).toEqual({
          patch: 200,
          published: ['finished', undefined, 1],
          sameTree: true,
          changed: ['M a.txt', 'M crlf.txt', 'D gone.txt', 'M link', 'M n.txt', 'A "new/\\303\\251 x"', ''],
          merged: [200, 'merged', ['n.txt', 'up.txt'], true],
          updated: ['finished', undefined, 1],
          refused: [409, 'sync_conflict'],
          untouched: 'two\nmore\n',
          marked: ['conflicts', ['a.txt']],
          seen: ['2', 'nine', 'up', 's', expect.stringMatching(/^[1-9]/), '3000000', ''],
          pulls: 1,
          violations: [],
        })
      } finally {
        await end()
      }
    },
  )
})

/** The tree that `git am` makes of a patch on the repository's main branch. */
function amTree(served: string, mailbox: Buffer): string {
  const script = `dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; git clone -q "$1" "$dir/w"; cd "$dir/w"
    git -c user.name=t -c user.email=t@t am -q; git rev-parse 'HEAD^{tree}'`
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', GIT_CONFIG_NOSYSTEM: '1', HOME: '/nonexistent' }
  return execFileSync('bash', ['-ec', script, 'am', served], { input: mailbox, env, stdio: ['pipe', 'pipe', 'pipe'] })
    .toString()
    .trim()
}

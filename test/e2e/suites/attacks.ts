import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { HELD, letGo } from '../../support/held-command.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import type { TestStack } from '../../support/stack.ts'
import { waitFor } from '../../support/wait-for.ts'

/** More than any walk of ours takes in, fewer than the limit of a workspace. */
const NAMES = 60_000

const MANY_NAMES = `python3 - <<'END'
import os
os.makedirs('node_modules/crowd')
open('node_modules/f', 'w').close()
for part in range(-(-${NAMES} // 30000)):
    open('node_modules/f%d' % part, 'w').close()
    for i in range(min(30000, ${NAMES} - part * 30000)):
        os.link('node_modules/f%d' % part, 'node_modules/crowd/' + (str(part) + '-' + str(i)).rjust(255, 'n'))
END`

const ODD_TREES = `python3 - <<'END'
import os
os.mkdir('odd'); os.chdir('odd')
for _ in range(25): os.mkdir('d' * 200); os.chdir('d' * 200)
open('odd-secret', 'w').close()
END
mkdir locked; echo x > locked/odd-secret; echo y > g; chmod 000 locked g
for i in 1 2 3 4 5 6 7 8; do truncate -s 90M sparse$i.bin; done
rm -rf .claude; echo x > .claude
printf '*.log\n' > .gitignore; echo x > a.log; echo one > visible.txt; chmod 000 .`

export function attacksSuite(stack: TestStack): void {
  describe('what one project’s files do', () => {
    const said = (command: string) => ({ message: scriptOf([running(command), { text: 'Done.' }]) })
    const task = async (projectId: string, command: string) => (await stack.api.chat(projectId, said(command))).taskId
    const exitCodes = async (...taskIds: string[]) => {
      const events = await Promise.all(taskIds.map(async (taskId) => await stack.api.storedEvents(taskId)))
      return events.flat().flatMap((event) => (event.type === 'command.finished' ? [event.exitCode] : []))
    }
    const remove = async (projectId: string) => (await stack.api.call('DELETE', `/api/projects/${projectId}`)).status

    test('to others is nothing: a crowd of names, made, looked at and removed beside a neighbour’s command', async () => {
      const { api } = stack
      const [crowded, neighbour, third] = [await api.newProject(), await api.newProject(), await api.newProject()]
      const quiet = await task(neighbour, `${HELD}; echo done > done.txt`)
      await api.ended(await task(crowded, MANY_NAMES))
      // Long enough for the disk to be measured while it runs.
      await api.ended(await task(crowded, 'sleep 5; echo later > later.txt'))
      const before = await task(third, 'echo third > third.txt')
      await api.ended(before)
      const removed = await remove(crowded)
      await waitFor(() => lies(crowded) === '', 'the crowd is gone', 60_000)
      const after = await task(third, 'touch again')
      await api.ended(after)
      letGo(stack, neighbour)
      const ended = await api.ended(quiet)
      expect([removed, ended.status, await exitCodes(quiet, before, after)]).toEqual([204, 'completed', [0, 0, 0]])
    })

    test('to themselves is told, never the end of the project: too long a path, locked and sparse files', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const first = await api.ended(await task(projectId, ODD_TREES))
      const listing = await api.get<{ entries: { path: string }[] }>(
        `/api/workspace/${projectId}/files?path=.&depth=20`,
      )
      const second = await api.ended(await task(projectId, 'cat visible.txt; echo two > second.txt'))
      await remove(projectId)
      await waitFor(() => lies('odd-secret') === '' && lies(projectId) === '', 'the files are gone', 60_000)
      expect({
        statuses: [first.reason ?? first.status, second.reason ?? second.status],
        listed: listing.entries.some((entry) => entry.path === 'visible.txt'),
      }).toEqual({ statuses: ['completed', 'completed'], listed: true })
    })

    // What is removed while it looks makes it complain; what counts is what it finds.
    const lies = (name: string) =>
      spawnSync('find', [join(stack.home, 'sandboxes'), '-name', `*${name}*`])
        .stdout.toString()
        .trim()
  })
}

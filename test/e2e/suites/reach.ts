import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { running, scriptOf } from '../../support/model-admin.ts'
import type { TestStack } from '../../support/stack.ts'
import { waitFor } from '../../support/wait-for.ts'

/** Looks for texts in everything that can be read, and tries to open what must not be opened for writing. */
const LOOK = `
import os, socket, sys
needles = [part.encode() for part in os.environ['NEEDLES'].split(',')]
found, writable, keys, sockets = [], [], [], []
system = ['/usr/' + name for name in ('bin', 'sbin', 'lib', 'lib32', 'lib64', 'libexec', 'include', 'share')] + ['/opt/node']
for top, places, names in os.walk('/'):
    places[:] = [p for p in places if os.path.join(top, p) not in system]
    for name in names:
        path = os.path.join(top, name)
        if path.startswith('/proc/sys') or path in ('/proc/sysrq-trigger',):
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK)); writable.append(path)
            except OSError: pass
            continue
        # Its own way out, which answers nothing but what the policy allows.
        if name.endswith('.sock') and path != '/run/keelson/net/egress.sock': sockets.append(path)
        if path.startswith('/proc/') and name not in ('environ', 'cmdline', 'status', 'maps'): continue
        if path.startswith('/workspace/'): continue
        try:
            if not path.startswith('/proc/') and not os.path.isfile(path): continue
            with open(path, 'rb') as file: data = file.read(4_000_000)
        except OSError: continue
        if b'PRIVATE KEY-----' in data and path.startswith('/etc'): keys.append(path)
        if any(needle in data for needle in needles) and '/proc/' + str(os.getpid()) not in path and 'self' not in path:
            found.append(path)
print(dict(found=found, writable=writable, keys=keys, sockets=sockets, fds=sorted(os.listdir('/proc/self/fd'))[:4]), file=open('report.txt', 'w'))
`

export function reachSuite(stack: TestStack): void {
  describe('what a command can reach', () => {
    const contentOf = async (projectId: string, path: string) =>
      (await stack.api.get<{ content: string }>(`/api/workspace/${projectId}/files/content?path=${path}`)).content

    test('no secret of the instance, no file of another project, no setting of the kernel, no key, no socket', async () => {
      const { api } = stack
      const other = await api.newProject()
      const note = `note-${other}-of-another`
      await api.ended(
        (await api.chat(other, { message: scriptOf([running(`echo ${note} > note.txt`), { text: 'Noted.' }]) })).taskId,
      )
      const projectId = await api.newProject()
      const { apiToken, databaseUrl } = stack.state()
      // Split, so that the search does not find what it looks for in its own script.
      const needles = [apiToken, new URL(databaseUrl).password, note].filter((text) => text !== '')
      const halves = needles.map((text) => `${text.slice(0, 8)}''${text.slice(8)}`).join(',')
      const command = `cat > /tmp/look.py <<'END'\n${LOOK}\nEND\nenv -i PATH="$PATH" NEEDLES=${halves} python3 /tmp/look.py`
      const { taskId } = await api.chat(projectId, { message: scriptOf([running(command), { text: 'Looked.' }]) })
      await api.ended(taskId)
      expect(await contentOf(projectId, 'report.txt')).toBe(
        "{'found': [], 'writable': [], 'keys': [], 'sockets': [], 'fds': ['0', '1', '2', '3']}\n",
      )
    })

    test('a command is nobody on the host whom root is, and its files belong to it alone', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const mark = `4.${Date.now() % 1_000_000}`
      const { taskId } = await api.chat(projectId, {
        message: scriptOf([running(`sleep ${mark}; echo x > made.txt`), { text: 'Slept.' }]),
      })
      const pid = await waitFor(() => findCommand(`sleep\0${mark}`) ?? false, 'the command runs')
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      const outer = readFileSync(`/proc/${pid}/uid_map`, 'utf8').trim().split(/\s+/)[1]
      const numbers = ['Uid', 'Gid', 'Groups'].flatMap(
        (name) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1]?.trim().split(/\s+/) ?? [],
      )
      await api.ended(taskId)
      const made = join(stack.home, 'sandboxes/projects', projectId)
      const workspace = readdirSync(made).map((generation) => join(made, generation, 'workspace'))[0] ?? ''
      expect({
        roots: process.getuid?.() === 0 ? numbers.filter((number) => number === '0') : [],
        outer,
        owner: String(statSync(join(workspace, 'made.txt')).uid),
      }).toEqual({ roots: [], outer: numbers[0], owner: numbers[0] })
    })

    test('/readyz names what protects this host; how, only to who has the token', async () => {
      const url = new URL('/readyz', stack.state().url)
      const authorization = `Bearer ${stack.state().apiToken}`
      const [stranger, owner] = await Promise.all(
        [{}, { authorization }].map(async (headers) => JSON.stringify(await (await fetch(url, { headers })).json())),
      )
      const sandbox = (text = '{}') => (JSON.parse(text) as { sandbox: { ok: boolean; protections: object[] } }).sandbox
      expect([sandbox(stranger).ok, stranger?.includes('detail'), stranger?.includes(stack.home)]).toEqual([
        true,
        false,
        false,
      ])
      expect(sandbox(owner).protections).toEqual(
        sandbox(stranger).protections.map((row) => ({ ...row, by: expect.any(String), detail: expect.any(String) })),
      )
    })
  })
}

function findCommand(begin: string): string | undefined {
  return readdirSync('/proc').find((pid) => {
    const file = `/proc/${pid}/cmdline`
    if (!/^\d+$/.test(pid) || !existsSync(file)) return false
    try {
      return readFileSync(file, 'utf8').startsWith(begin)
    } catch {
      return false // it ended while we looked
    }
  })
}

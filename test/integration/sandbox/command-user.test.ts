/** Who commands are on the host, and what of it that user can reach. Where the tests run as root, root is who starts it all. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { sandboxPaths } from '../../../src/sandbox/local-bwrap/layout.ts'
import { aSandbox, aSpec, readToEnd, run, waitFor, waitForOutput } from '../../contract/sandbox/harness.ts'
import { aHost } from './support.ts'

const host = aHost()
const provider = host.provider()
const report = await provider.probe()
const isRoot = process.getuid?.() === 0
const closed = realpathSync(mkdtempSync(path.join(tmpdir(), 'keelson-closed-')))
chmodSync(closed, 0o700)
afterAll(async () => {
  await host.close()
  rmSync(closed, { recursive: true, force: true })
})

/** The first process of the host whose arguments hold this mark and that is not the one who started it. */
function findProcess(mark: string): string | null {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`sleep\0${mark}`)) return pid
    } catch {
      // It ended while we looked.
    }
  }
  return null
}

/** Runs this repository's code as a process of its own with the given descriptors open; its last line. */
async function runApart(code: string, shell: string, args: readonly string[]): Promise<string> {
  const child = spawn(
    '/bin/bash',
    ['-c', shell, 'bash', process.execPath, '--import', 'tsx', '--input-type=module', '-e', code, '--', ...args],
    { cwd: path.join(import.meta.dirname, '../../..'), stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  await once(child, 'close')
  return text
}

describe.skipIf(!report.ok)(`the user of commands (${report.detail})`, { timeout: 60_000 }, () => {
  test('a command is nobody on the host whom root is: user, groups and what its numbers are mapped to', async () => {
    const { sandbox } = await aSandbox(provider)
    const mark = `6.${process.pid}`
    const spec = aSpec(['sleep', mark])
    await sandbox.start(spec)
    const pid = await waitFor(() => findProcess(mark) ?? undefined)
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const numbers = ['Uid', 'Gid', 'Groups'].flatMap(
      (name) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1]?.trim().split(/\s+/) ?? [],
    )
    const map = readFileSync(`/proc/${pid}/uid_map`, 'utf8').trim().split(/\s+/)
    await sandbox.kill(spec.execId)
    expect([numbers.filter((number) => isRoot && number === '0'), map[0], map[1] === '0']).toEqual([[], '1000', false])
  })

  test('nothing of the kernel can be set, not even opened for it', async () => {
    const { sandbox } = await aSandbox(provider)
    const { output } = await run(sandbox, [
      'python3',
      '-c',
      `import os
opened = []
for root in ('/proc/sys', '/proc/irq', '/proc/bus'):
    for at, _, names in os.walk(root):
        for name in names:
            try:
                os.close(os.open(os.path.join(at, name), os.O_WRONLY | os.O_NONBLOCK))
                opened.append(os.path.join(at, name))
            except OSError: pass
print(opened)`,
    ])
    expect(output).toBe('[]\n')
  })

  test.runIf(isRoot)('what root writes into a workspace belongs to whom commands are', async () => {
    const { sandbox } = await aSandbox(provider)
    await sandbox.write([{ path: 'a/b/c.txt', data: 'one' }])
    const { output, state } = await run(sandbox, 'echo two >> a/b/c.txt; touch a/d; rm a/b/c.txt; find . ! -user agent')
    expect([output, state.exitCode, (await sandbox.stat('a/d'))?.kind]).toEqual(['', 0, 'file'])
  })

  test.runIf(isRoot)('two directories of sandboxes have two users', async () => {
    const other = host.provider({ dir: `${host.dir}/other` })
    const [one, two] = [await aSandbox(provider), await aSandbox(other)]
    const ownerOf = (dir: string, id: string) => statSync(path.join(dir, 'projects', id, 'workspace')).uid
    const owners = [ownerOf(host.dir, one.sandbox.ref.id), ownerOf(`${host.dir}/other`, two.sandbox.ref.id)]
    expect([owners[0] === owners[1], owners.includes(0)]).toEqual([false, false])
  })

  test.runIf(isRoot)(
    'below a directory that only root may pass, commands work, and its name is in no link of theirs',
    async () => {
      const dir = path.join(closed, 'x'.repeat(120), 'sandboxes')
      const { sandbox } = await aSandbox(host.provider({ dir }))
      await sandbox.write([{ path: 'in.txt', data: 'seen' }])
      const { output } = await run(
        sandbox,
        'cat in.txt; node -e "console.log(1)"; ls -l /proc/*/fd 2>/dev/null | grep closed',
      )
      expect(output).toBe('seen1\n')
    },
  )

  test.runIf(isRoot)('a setting names the user; root and unknown names are refused with the way out', async () => {
    const dir = `${host.dir}/named`
    const { sandbox } = await aSandbox(host.provider({ dir, sandboxUser: 'nobody' }))
    const { state } = await run(sandbox, 'echo x > made')
    expect([state.exitCode, statSync(path.join(dir, 'projects', sandbox.ref.id, 'workspace/made')).uid]).toEqual([
      0, 65534,
    ])
    for (const name of ['root', '0', 'no-such-user', '--help']) {
      const bad = host.provider({ dir: `${host.dir}/bad`, sandboxUser: name })
      await expect(bad.ensure({ projectId: 'prj_bad', generation: 1 })).rejects.toMatchObject({
        code: 'sandbox_unavailable',
        message: expect.stringContaining('KEELSON_SANDBOX_USER'),
      })
    }
  })

  test.runIf(isRoot)('another user of commands is given what the former one left, and runs services too', async () => {
    const dir = `${host.dir}/changed`
    const serve = { timeoutMs: 60_000, service: true }
    const former = host.provider({ dir, sandboxUser: '65533' })
    const { ref, sandbox } = await aSandbox(former)
    const first = aSpec('echo first; sleep 60', serve)
    await sandbox.start(first)
    await waitForOutput(sandbox, first.execId, 'first')
    await former.close()

    const again = await host.provider({ dir, sandboxUser: '65532' }).open(ref)
    const second = aSpec('echo second; sleep 60', serve)
    const started = await again.start(second)
    await waitForOutput(again, second.execId, 'second')
    const { state } = await readToEnd(again, first.execId)
    await again.killAll('tsk_test')
    expect([started.status, state.status]).toEqual(['running', 'killed'])
  })

  test.runIf(isRoot)('sandboxes that belong to root are taken over with all that is in them', async () => {
    const dir = `${host.dir}/former`
    const first = host.provider({ dir })
    const { ref, sandbox } = await aSandbox(first)
    await sandbox.write([{ path: 'deep/er/file', data: 'kept' }])
    const spec = aSpec('echo said')
    await sandbox.start(spec)
    await readToEnd(sandbox, spec.execId)
    const tree = await sandbox.checkpoint()
    await first.close()
    await run(sandbox, 'true').catch(() => undefined)
    // As a version left it that ran commands as root.
    const { base, workspace } = sandboxPaths(dir, ref.id)
    for (const at of [dir, base, workspace, path.join(base, 'jobs')]) lchownSync(at, 0, 0)
    for (const at of readdirSync(base, { recursive: true, encoding: 'utf8' })) lchownSync(path.join(base, at), 0, 0)
    mkdirSync(path.join(workspace, 'locked'), { mode: 0o000 })
    writeFileSync(path.join(workspace, 'locked', 'in'), '')

    const again = await host.provider({ dir }).open(ref)
    const { output } = await run(again, 'cat deep/er/file; echo more >> deep/er/file; stat -c %U . locked deep')
    const { output: old } = await readToEnd(again, spec.execId)
    await again.restore(tree)
    expect([output, old, (await run(again, 'cat deep/er/file')).output]).toEqual([
      'keptagent\nagent\nagent\n',
      'said\n',
      'kept',
    ])
  })

  test('descriptors that the product was started with end before its commands', async () => {
    const dir = path.join(closed, 'descriptors')
    mkdirSync(dir)
    writeFileSync(path.join(dir, 'secret'), 'a secret of the host')
    const code = `
      import { createSandboxProvider } from './src/sandbox/create.ts'
      const provider = createSandboxProvider({ kind: 'local-bwrap', dir: ${JSON.stringify(path.join(dir, 'home'))},
        logger: { info() {}, warn() {} }, runnerIdleMs: 1000 })
      const sandbox = await provider.open(await provider.ensure({ projectId: 'prj_fd', generation: 1 }))
      const argv = { sh: 'ls /proc/self/fd | tr "\\\\n" " "; echo; echo x >&100; cat <&101; ls /proc/self/fd/102/' }
      await sandbox.start({ execId: 'fd', taskId: 'tsk', argv, timeoutMs: 10000 })
      await sandbox.poll('fd', { cursor: 1e9, maxBytes: 0, waitMs: 9000 })
      const { head } = await sandbox.output('fd', { headBytes: 4000, tailBytes: 0 })
      process.stdout.write(Buffer.from(head))
      await provider.close()`
    const shell = `exec 100>>${dir}/file 101<${dir}/secret 102<${dir}; exec "$@"`
    const output = await runApart(code, shell, [])
    expect([output.split('\n')[0], output.includes('a secret'), readFileSync(path.join(dir, 'file'), 'utf8')]).toEqual([
      '0 1 2 3 ',
      false,
      '',
    ])
  })
})

import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { aSandbox, aSpec, readToEnd, run } from '../../contract/sandbox/harness.ts'
import { aHost } from './support.ts'

const host = aHost()
const provider = host.provider()
const report = await provider.probe()
const outside = mkdtempSync(path.join(tmpdir(), 'keelson-outside-'))
writeFileSync(path.join(outside, 'secret.txt'), 'host secret')
afterAll(async () => {
  await host.close()
  rmSync(outside, { recursive: true, force: true })
})

const MIB = 1024 * 1024

describe.skipIf(!report.ok)(`isolation (${report.detail})`, { timeout: 60_000 }, () => {
  const aBox = async (): Promise<Sandbox> => (await aSandbox(provider)).sandbox

  test('no variable of the worker or the runner is seen, not even in the first process', async () => {
    const { output } = await run(
      await aBox(),
      'env; tr "\\0" "\\n" < /proc/1/environ; cat /proc/*/environ | tr "\\0" "\\n"',
    )
    const names = new Set(output.split('\n').map((line) => line.split('=')[0]))
    const foreign = Object.keys(process.env).filter((name) => name.startsWith('VITEST') || name === 'NODE_ENV')
    expect([foreign.length > 0, foreign.filter((name) => names.has(name))]).toEqual([true, []])
  })

  test('no host path is seen in the command lines of the sandbox', async () => {
    const { output } = await run(await aBox(), 'cat /proc/*/cmdline | tr "\\0" " "')
    expect([output.includes('--args'), output.includes(host.dir)]).toEqual([true, false])
  })

  test('files, homes, processes and accounts of the host are not there', async () => {
    const { output } = await run(
      await aBox(),
      `cat ${outside}/secret.txt; ls ${host.dir} /root /home/agent/.ssh /var/lib /etc/shadow /sys /boot 2>&1 | grep -v 'No such file'
       ls /proc | grep -c '^[0-9]'; cut -d: -f1 /etc/passwd; id -u; hostname`,
    )
    const [, ...rest] = output.trim().split('\n')
    expect([output.includes('host secret'), Number(rest[0]) < 10, rest.slice(1)]).toEqual([
      false,
      true,
      ['root', 'agent', '1000', 'sandbox'],
    ])
  })

  test('only the workspace, /tmp, the home and shared memory can be written', async () => {
    const { output } = await run(
      await aBox(),
      'for d in /workspace /tmp $HOME /dev/shm /var/tmp / /usr /usr/bin /etc /dev /run /opt /proc/sys/kernel; do touch $d/x 2>/dev/null && echo $d; done',
    )
    expect(output).toBe('/workspace\n/tmp\n/home/agent\n/dev/shm\n/var/tmp\n')
  })

  test('there is no network: no address, no name, no listener of this host', async () => {
    const server = createServer((socket) => socket.destroy())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const script = `
      const net = require('net'), dns = require('dns')
      const dial = (host, port) => new Promise((done) => {
        const socket = net.connect({ host, port, timeout: 3000 })
        socket.on('connect', () => done('connected')).on('error', (e) => done(e.code)).on('timeout', () => done('timeout'))
      })
      const tell = async () => console.log(JSON.stringify([await dial('127.0.0.1', ${port}), await dial('1.1.1.1', 443),
        await dial('169.254.169.254', 80), await new Promise((done) => dns.lookup('example.com', (e) => done(e.code)))]))
      tell().then(() => process.exit())`
    const { output } = await run(await aBox(), ['node', '-e', script])
    await new Promise((resolve) => server.close(resolve))
    expect(JSON.parse(output)).toEqual(['ECONNREFUSED', 'ENETUNREACH', 'ENETUNREACH', 'ENOTFOUND'])
  })

  test('privileges, namespaces, mounts and denied system calls are out of reach', async () => {
    const { output } = await run(
      await aBox(),
      `grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t '
       unshare -U true 2>/dev/null && echo userns; mount -t tmpfs x /tmp 2>/dev/null && echo mount
       chroot / true 2>/dev/null && echo chroot; su -c true 2>/dev/null && echo su
       python3 -c "
import socket
for family in (1, 2, 40, 38):
    try:
        socket.socket(family, socket.SOCK_STREAM if family != 38 else socket.SOCK_SEQPACKET); print(family, 'open')
    except OSError as error: print(family, error.errno)"`,
    )
    expect(output.trim().split('\n')).toEqual([
      'CapEff:0000000000000000',
      'CapBnd:0000000000000000',
      'NoNewPrivs:1',
      'Seccomp:2',
      '1 open',
      '2 open',
      '40 1',
      '38 1',
    ])
  })

  test('commands of two sandboxes do not see each other', async () => {
    const [one, two] = [await aBox(), await aBox()]
    const spec = aSpec('sleep 30')
    await one.start(spec)
    const { output } = await run(two, 'cat /proc/*/cmdline | tr "\\0" " "')
    await one.kill(spec.execId)
    expect(output.includes('sleep')).toBe(false)
  })

  test('a fork bomb is stopped, and the next command works', async () => {
    const sandbox = await aBox()
    const { state } = await run(sandbox, ':(){ :|:& };:; sleep 30', { timeoutMs: 20_000 })
    const after = await run(sandbox, 'echo fine')
    expect(['killed', 'exited', 'timed_out'].includes(state.status)).toBe(true)
    expect(after.output).toBe('fine\n')
  })

  test('more processes than allowed are refused or end the command', async () => {
    const small = host.provider({ dir: `${host.dir}/few`, limits: { maxProcesses: 20 } })
    const { sandbox } = await aSandbox(small)
    const { state } = await run(sandbox, 'for i in $(seq 60); do sleep 20 & done 2>/dev/null; wait')
    // The 21st fork fails, or the watchdog is quicker; commands are never root's, whose processes nobody counts.
    expect(state.status).not.toBe('running')
  })

  test('memory beyond the limit ends the command as oom, in one process, in many and in /tmp', async () => {
    const small = host.provider({ dir: `${host.dir}/small`, limits: { memoryBytes: 256 * MIB } })
    const { sandbox } = await aSandbox(small)
    const hold = (mib: number) =>
      `node -e "const b = Buffer.alloc(${mib} * 1024 * 1024, 1); setTimeout(() => b, 20000)"`
    const states = await Promise.all([
      run(sandbox, hold(400)),
      run(sandbox, `for i in 1 2 3 4 5; do ${hold(60)} & done; wait`),
      run(sandbox, 'head -c 400M /dev/zero > /tmp/big; sleep 20'),
      run(sandbox, hold(20).replace('20000', '10')),
    ])
    expect(states.map(({ state }) => state.status)).toEqual(['oom', 'oom', 'oom', 'exited'])
  })

  test('a file larger than allowed cannot be written, and open files are limited', async () => {
    const small = host.provider({ dir: `${host.dir}/files`, limits: { fileBytes: MIB, openFiles: 64 } })
    const { sandbox } = await aSandbox(small)
    await run(sandbox, 'head -c 5M /dev/zero > big 2>/dev/null; true')
    const { output } = await run(sandbox, 'ulimit -n; ulimit -c')
    expect([(await sandbox.stat('big'))?.sizeBytes, output]).toEqual([MIB, '64\n0\n'])
  })

  test('the records of commands are outside of what commands see', async () => {
    const sandbox = await aBox()
    const spec = aSpec('ls -A /workspace; find / -name exit.json -not -path "/proc/*" 2>/dev/null | grep jobs')
    await sandbox.start(spec)
    const { output } = await readToEnd(sandbox, spec.execId)
    expect([output, readdirSync(`${host.dir}/projects/${sandbox.ref.id}/jobs`)]).toEqual(['', [spec.execId]])
    expect(existsSync(`${host.workspaceOf(sandbox.ref)}/exit.json`)).toBe(false)
  })
})

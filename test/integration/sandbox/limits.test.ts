import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { LimitKeeper } from '../../../src/sandbox/local-bwrap/cgroup.ts'
import { livingRunners } from '../../../src/sandbox/local-bwrap/runner-identity.ts'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { aSandbox, aSpec, codeOf, readToEnd, run, waitFor, waitForOutput } from '../../contract/sandbox/harness.ts'
import { aHost } from './support.ts'

const host = aHost()
const report = await host.provider().probe()
const keptBy = report.protections.find(({ name }) => name === 'memory')?.by ?? ''
const best =
  (['cgroup-v2', 'cgroup-v1'] as const).find((keeper) => keptBy.includes(`version ${keeper.at(-1)}`)) ?? 'watchdog'
afterAll(async () => await host.close())

const MIB = 1024 * 1024
const keepers = new Set<LimitKeeper>([best, 'watchdog'])

/** Ways to hold memory that belongs to no process, or to many: each takes `mib` MiB, and its children keep theirs for `kept` seconds. */
const WAYS: Readonly<Record<string, (mib: number) => string>> = {
  'plain memory': (mib) => `
parts = [bytearray(b'x' * (1 << 20)) for _ in range(${mib})]`,
  'unix socket buffers': (mib) => `
import socket
held = []
size = 0
while size < ${mib} * (1 << 20):
    a, b = socket.socketpair()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10**7)
    a.setblocking(False)
    try:
        while True: size += a.send(b'x' * 65536)
    except BlockingIOError: pass
    held.append((a, b))
    if len(held) == 400:
        if os.fork() > 0: time.sleep(kept); os._exit(0)
        held = []`,
  'memory files': (mib) => `
for _ in range(${mib} // 16):
    os.write(os.memfd_create('m'), b'x' * (1 << 24))`,
  'memory files on their way from one process to another': (mib) => `
import array, socket
a, b = socket.socketpair()
for _ in range(${mib} // 16):
    f = os.memfd_create('m')
    os.write(f, b'x' * (1 << 24))
    a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [f]))])
    os.close(f)`,
  'shared memory of System V': (mib) => `
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
libc.shmdt.argtypes = [ctypes.c_void_p]
for _ in range(${mib} // 16):
    at = libc.shmat(libc.shmget(0, 1 << 24, 0o1600), None, 0)
    ctypes.memset(at, 1, 1 << 24)
    libc.shmdt(at)`,
  'shared mappings of many processes': (mib) => `
import mmap
for _ in range(${mib} // 16):
    if os.fork() == 0:
        m = mmap.mmap(-1, 1 << 24)
        for at in range(0, 1 << 24, 4096): m[at] = 1
        time.sleep(kept)
        os._exit(0)
time.sleep(1)`,
}

/** Ways to have the kernel keep memory that is no page of anybody; each as in {@link WAYS}. */
const KERNEL_WAYS: Readonly<Record<string, (mib: number) => string>> = {
  'semaphores of System V': (mib) => `
import ctypes
for _ in range(${mib} // 2): ctypes.CDLL(None).semget(0, 32000, 0o1600)`,
  'messages of System V': (mib) => `
import ctypes
libc = ctypes.CDLL(None)
text = ctypes.create_string_buffer(b'\\1' * 8200)
for _ in range(min(32000, ${mib} * 64)):
    queue = libc.msgget(0, 0o1600)
    for _ in range(2): libc.msgsnd(queue, text, 8192, 0o4000)`,
  pipes: (mib) => `
for _ in range(-(-${mib} * 128 // 1900)):
    if os.fork() > 0: continue
    for _ in range(1900):
        end = os.pipe()[1]
        os.set_blocking(end, False)
        try: os.write(end, b'x' * 65536)
        except BlockingIOError: pass
    time.sleep(kept)
    os._exit(0)
time.sleep(2)`,
  'page tables': (mib) => `
import mmap
for _ in range(${mib} // 16):
    m = mmap.mmap(-1, 1 << 33, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ)
    for at in range(0, 1 << 33, 1 << 21): m[at]
    globals().setdefault('held', []).append(m)`,
  'empty files in memory': (mib) => `
for at in range(${mib} * 1024): os.close(os.open('/tmp/%d' % at, os.O_CREAT | os.O_WRONLY))`,
}

/** Fills sockets of loopback without reading, and says how many MiB the kernel holds for them. */
const UNREAD = `python3 - <<'END'
import socket, time
def queued(name):
    lines = open('/proc/net/' + name).read().split('\\n')[1:-1]
    return sum(int(part, 16) for line in lines for part in line.split()[4].split(':')) >> 20
held = []
def udp(most):
    for _ in range(900):
        if queued('udp') >= most: return
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10**7)
        s.bind(('127.0.0.1', 0))
        s.setblocking(False)
        held.append(s)
        try:
            for _ in range(8): s.sendto(b'x' * 60000, s.getsockname())
        except OSError: pass
def tcp(most):
    listening = socket.create_server(('127.0.0.1', 0), backlog=400)
    for _ in range(400):
        if queued('tcp') >= most: return
        a = socket.create_connection(listening.getsockname())
        b, _ = listening.accept()
        a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10**7)
        a.setblocking(False)
        held.extend([a, b])
        try:
            while True: a.send(b'x' * 65536)
        except OSError: pass
udp(16)
print('small', min(queued('udp'), 16), flush=True)
udp(320)
print('held', queued('udp'), flush=True)
for s in held: s.close()
held.clear()
tcp(320)
print('held', queued('tcp'), flush=True)
time.sleep(1)
END`

/** What stays below a limit ends by itself; what is beyond it stays until it is ended, however late that is on a busy host. */
function holding(way: (mib: number) => string, mib: number, seconds: number): string {
  return `python3 - <<'END'
import os, time
kept = ${seconds} + 3
${way(mib)}
print('held', flush=True)
time.sleep(${seconds})
END`
}

const within = (way: (mib: number) => string): string => holding(way, 32, 3)
const beyond = (way: (mib: number) => string): string => holding(way, 640, 60)

describe.skipIf(!report.ok).each([...keepers])('limits kept by %s', { timeout: 120_000 }, (keeper) => {
  const own = aHost()
  const provider = own.provider({ keeper, limits: { memoryBytes: 256 * MIB, maxProcesses: 64 } })
  afterAll(async () => await own.close())
  const aBox = async (): Promise<Sandbox> => (await aSandbox(provider)).sandbox

  test.each(Object.keys(WAYS))(
    '%s beyond the limit ends the command and is told, below it is granted',
    async (name) => {
      const way = WAYS[name]
      if (way === undefined) throw new Error(name)
      const sandbox = await aBox()
      const granted = await run(sandbox, within(way))
      const ended = await run(sandbox, beyond(way), { timeoutMs: 90_000 })
      const next = await run(sandbox, 'echo fine')
      expect({
        within: { ...granted.state, output: granted.output },
        beyond: ended.state,
        next: next.output,
      }).toMatchObject({
        within: { status: 'exited', output: 'held\n' },
        beyond: { status: 'oom', reason: expect.stringContaining('256 MiB of memory') },
        next: 'fine\n',
      })
    },
  )

  test('what the kernel keeps for a command counts as its memory', async () => {
    const results = await Promise.all(
      Object.entries(KERNEL_WAYS).map(async ([name, way]) => {
        const sandbox = await aBox()
        const granted = await run(sandbox, within(way))
        const ended = await run(sandbox, beyond(way), { timeoutMs: 90_000 })
        return [name, granted.output, ended.state.status, (await run(sandbox, 'echo fine')).output]
      }),
    )
    expect(results).toEqual(Object.keys(KERNEL_WAYS).map((name) => [name, 'held\n', 'oom', 'fine\n']))
  })

  test('the probe has tried that they are kept, and leaves no cgroup behind', async () => {
    const { protections, isolation } = await provider.probe()
    const limits = protections.filter(({ name }) => ['memory', 'processes'].includes(name))
    // Those of probes that other tests make at the same time go too.
    const left = await waitFor(() => (cgroupsNamed(/-ask-[0-9a-f]+$/).length === 0 ? 'none' : undefined))
    expect([limits, isolation, left]).toMatchObject([
      Array(2).fill({ holds: true, by: expect.stringContaining(keeper === 'watchdog' ? 'watchdog' : 'cgroup') }),
      { pidLimit: true, memoryLimit: true },
      'none',
    ])
  })

  test('what TCP and UDP sockets hold unread is bounded too, and 16 MiB of it is granted', async () => {
    const sandbox = await aBox()
    const { state, output } = await run(sandbox, UNREAD)
    const next = await run(sandbox, 'echo fine')
    const held = output.split('\n').flatMap((line) => (line.startsWith('held ') ? [Number(line.slice(5))] : []))
    const isBounded = state.status === 'oom' || (held.length === 2 && Math.max(...held) < 160)
    expect({
      isBounded,
      isGranted: output.startsWith('small 16\n'),
      next: next.output,
      held: isBounded || held,
    }).toEqual({
      isBounded: true,
      isGranted: true,
      next: 'fine\n',
      held: true,
    })
  })

  test('threads count as processes', async () => {
    const threads = (count: number) => `python3 - <<'END'
import threading, time
threading.stack_size(65536)
for _ in range(${count}): threading.Thread(target=time.sleep, args=(2,)).start()
print('all run', flush=True)
END`
    const sandbox = await aBox()
    const [few, many] = [await run(sandbox, threads(20)), await run(sandbox, threads(200))]
    const next = await run(sandbox, 'echo fine')
    expect([few.output, few.state.status, many.output.includes('all run'), next.output]).toEqual([
      'all run\n',
      'exited',
      false,
      'fine\n',
    ])
  })
})

describe.skipIf(!report.ok)('the disk', { timeout: 120_000 }, () => {
  const own = aHost()
  afterAll(async () => await own.close())
  const provider = own.provider({ limits: { workspaceBytes: 40 * MIB, workspaceNames: 20_000 } })
  const aBox = async (): Promise<Sandbox> => (await aSandbox(provider)).sandbox
  const stopped = { status: 'killed', reason: expect.stringContaining('hold more than 40 MiB') }

  test('no shape of files hides them from the quota: too long paths, locked directories, checkpoints; others go on', async () => {
    const [deep, locked, kept, innocent] = [await aBox(), await aBox(), await aBox(), await aBox()]
    const quiet = run(innocent, 'sleep 8; echo done')
    const tooDeep = `python3 - <<'END'
import os, time
for _ in range(25): os.mkdir('d' * 200); os.chdir('d' * 200)
open('f', 'wb').write(b'x' * 90_000_000)
time.sleep(60)
END`
    await run(kept, 'head -c 30M /dev/urandom > big')
    await kept.checkpoint()
    const results = await Promise.all([
      run(deep, tooDeep, { timeoutMs: 60_000 }),
      run(locked, 'mkdir l; head -c 90M /dev/zero > l/f; chmod 000 l; sleep 60', { timeoutMs: 60_000 }),
      run(kept, 'head -c 30M /dev/urandom > big; sleep 60', { timeoutMs: 60_000 }),
    ])
    const cleaned = await run(deep, 'rm -rf d*; echo cleaned')
    expect([results.map(({ state }) => state), cleaned.output, (await quiet).output]).toMatchObject([
      [stopped, stopped, stopped],
      'cleaned\n',
      'done\n',
    ])
  })

  test('too many names end the command that makes them, and disturb nobody', async () => {
    const [full, innocent] = [await aBox(), await aBox()]
    const make = `python3 - <<'END'
import os, time
os.makedirs('node_modules/x'); open('node_modules/f', 'w').close()
for i in range(60_000): os.link('node_modules/f', 'node_modules/x/' + str(i).rjust(255, 'n'))
time.sleep(60)
END`
    const crowd = run(full, make, { timeoutMs: 60_000 })
    const outputs: string[] = []
    for (let i = 0; i < 8; i++) outputs.push((await run(innocent, 'sleep 0.5; echo on')).output)
    expect([(await crowd).state, outputs]).toMatchObject([
      { status: 'killed', reason: expect.stringContaining('20000 files') },
      Array(8).fill('on\n'),
    ])
  })
})

describe.skipIf(!report.ok)('limits of the host', { timeout: 60_000 }, () => {
  test.skipIf(best !== 'cgroup-v1')(
    'a command has a cgroup while it runs, and none is left of a killed runner',
    async () => {
      const own = aHost()
      const { ref, sandbox } = await aSandbox(own.provider())
      const spec = aSpec('echo up; sleep 60')
      await sandbox.start(spec)
      await waitForOutput(sandbox, spec.execId, 'up')
      const pid = own.runnerPid(ref, spec.execId)
      const identity = livingRunners(own.dir)[0]?.identity ?? ''
      const found = () => cgroupsNamed(new RegExp(`-${identity}$`))
      const inUse = () => found().flatMap((dir) => subdirectories(dir).filter((child) => !child.endsWith('/runner')))
      const during = inUse().length
      process.kill(pid, 'SIGKILL')
      await readToEnd(sandbox, spec.execId)
      const after = await run(sandbox, 'echo next')
      const left = await waitFor(() => (inUse().length === 0 ? 'none' : undefined))
      await own.close()
      expect([during > 0, after.output, left]).toEqual([true, 'next\n', 'none'])
    },
  )

  test('more commands than the host takes wait in turn; a killed one never begins', async () => {
    const own = aHost()
    const provider = own.provider({ limits: { maxCommands: 2 } })
    const [busy, other] = [(await aSandbox(provider)).sandbox, (await aSandbox(provider)).sandbox]
    const until = (file: string) => `while [ ! -e ${file} ]; do sleep 0.02; done`
    const first = [aSpec(until('go')), aSpec(until('go'))]
    await Promise.all(first.map((spec) => busy.start(spec)))
    const order: string[] = []
    const waiting = ['a', 'b', 'c'].map((name) =>
      run(busy, `echo ${name} >> order; sleep 0.2`).then(() => order.push(name)),
    )
    const turn = run(other, 'sleep 0.1').then(() => order.push('other'))
    const doomed = aSpec('touch began', { taskId: 'tsk_doomed' })
    const refused = codeOf(busy.start(doomed))
    // All have asked once the last one is known to wait: the runner answers one connection in order.
    await busy.killAll('tsk_doomed')
    await busy.write([{ path: 'go', data: '' }])
    await Promise.all([...waiting, turn])
    const began = await busy.stat('began')
    await own.close()
    expect([await refused, began, [...order].sort(), order.indexOf('other') < order.indexOf('c')]).toEqual([
      'sandbox_busy',
      null,
      ['a', 'b', 'c', 'other'],
      true,
    ])
  })
})

function cgroupsNamed(name: RegExp): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(' - cgroup '))
    .map((line) => line.split(' ')[4] ?? '')
  return mounts.flatMap((mount) => below(mount, 3)).filter((dir) => name.test(dir))
}

function below(dir: string, depth: number): string[] {
  if (depth === 0) return []
  return subdirectories(dir).flatMap((child) => [child, ...below(child, depth - 1)])
}

function subdirectories(dir: string): string[] {
  if (!existsSync(dir)) return []
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(dir, entry.name))
}

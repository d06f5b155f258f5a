import { describe, expect, test } from 'vitest'
import { type SeccompOptions, seccompProgram } from '../../../src/sandbox/local-bwrap/seccomp.ts'

const ALLOW = 0x7fff0000
const EPERM = 0x00050001
const ARCH = { x64: 0xc000003e, arm64: 0xc00000b7 } as const

/** Runs the program as the kernel would, on `struct seccomp_data`. */
function judge(
  arch: 'x64' | 'arm64',
  call: { nr: number; arch?: number; args?: number[] },
  options: SeccompOptions = {},
): number {
  const program = seccompProgram(arch, options) as Buffer
  const data = Buffer.alloc(64)
  data.writeUInt32LE(call.nr, 0)
  data.writeUInt32LE(call.arch ?? ARCH[arch], 4)
  call.args?.forEach((value, index) => data.writeUInt32LE(value >>> 0, 16 + index * 8))
  let loaded = 0
  for (let at = 0; at < program.length; at += 8) {
    const [code, yes, no] = [program.readUInt16LE(at), program.readUInt8(at + 2), program.readUInt8(at + 3)]
    const k = program.readUInt32LE(at + 4)
    if (code === 0x20) loaded = data.readUInt32LE(k)
    else if (code === 0x15) at += 8 * (loaded === k ? yes : no)
    else if (code === 0x35) at += 8 * (loaded >= k ? yes : no)
    else if (code === 0x25) at += 8 * (loaded > k ? yes : no)
    else if (code === 0x06) return k
    else throw new Error(`unknown instruction ${code}`)
  }
  throw new Error('ran off the end')
}

describe.each([
  { arch: 'x64', read: 0, denied: [101, 425, 321, 206, 467], ioctl: 16, socket: 41, shm: 29, sem: 64, msg: 68 },
  { arch: 'arm64', read: 63, denied: [117, 425, 280, 0, 467], ioctl: 29, socket: 198, shm: 194, sem: 190, msg: 186 },
] as const)('the system call filter of $arch', ({ arch, read, denied, ioctl, socket, shm, sem, msg }) => {
  test('lets ordinary calls through and refuses tracing, io_uring, BPF, asynchronous I/O and mounts', () => {
    expect([read, ...denied].map((nr) => judge(arch, { nr }))).toEqual([ALLOW, ...denied.map(() => EPERM)])
  })

  test('grants what System V keeps freely where it is counted, else in small pieces and without queues', () => {
    const small = { smallSegments: true }
    const calls = [shm, sem].flatMap((nr) => [
      { nr, args: [0, 32] },
      { nr, args: [0, 131_073] },
    ])
    const asked = [...calls, { nr: sem, args: [0, 33] }, { nr: msg }]
    expect({
      counted: asked.map((call) => judge(arch, call)),
      small: asked.map((call) => judge(arch, call, small)),
    }).toEqual({ counted: asked.map(() => ALLOW), small: [ALLOW, EPERM, ALLOW, EPERM, EPERM, EPERM] })
  })

  test('refuses calls of another architecture', () => {
    expect(judge(arch, { nr: read, arch: 0x40000003 })).toBe(EPERM)
  })

  test('refuses terminal injection by its argument', () => {
    const requests = [0x5401, 0x5412, 0x541c]
    expect(requests.map((request) => judge(arch, { nr: ioctl, args: [0, request] }))).toEqual([ALLOW, EPERM, EPERM])
  })

  test('knows socket families by name only: unix, inet, inet6, netlink', () => {
    const open = Array.from({ length: 50 }, (_, family) => family).filter(
      (family) => judge(arch, { nr: socket, args: [family] }) === ALLOW,
    )
    expect(open).toEqual([1, 2, 10, 16])
  })

  test('netlink reaches the kernel and no other process', () => {
    const protocols = Array.from({ length: 23 }, (_, protocol) => protocol)
    const refused = protocols.filter((protocol) => judge(arch, { nr: socket, args: [16, 3, protocol] }) !== ALLOW)
    expect(refused).toEqual([2])
  })
})

test('the x32 numbers of x86 are refused', () => {
  expect(judge('x64', { nr: 0x40000000 })).toBe(EPERM)
})

test('an unknown architecture has no program', () => {
  expect(seccompProgram('riscv64')).toBeNull()
})

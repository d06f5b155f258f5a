/**
 * The system calls that a command may not make, as a classic BPF program for `bwrap --seccomp`.
 *
 * A deny list, since build tools of every kind must run: it closes what has no use in a build and has been a way out of
 * namespaces before (new namespaces and mounts, key rings, io_uring, BPF, tracing, handles, modules), socket families
 * other than unix, inet and netlink (AF_VSOCK ignores network namespaces), and the terminal's input injection.
 * Where nobody can count what System V keeps, which belongs to no process, shared memory and semaphores are granted in
 * small pieces only, of which the kernel allows 4,096 and 32,000, and message queues not at all: a queue takes as many
 * empty messages as bytes. Denied calls return EPERM, so that programs see a refusal instead of dying.
 */

type SeccompArch = 'x64' | 'arm64'

const AUDIT_ARCH: Record<SeccompArch, number> = { x64: 0xc000003e, arm64: 0xc00000b7 }

/** [x86_64, arm64] numbers, from the kernel's asm/unistd_64.h and asm-generic/unistd.h. */
const DENIED: Record<string, readonly [number, number | null]> = {
  umount2: [166, 39],
  mount: [165, 40],
  pivot_root: [155, 41],
  chroot: [161, 51],
  vhangup: [153, 58],
  quotactl: [179, 60],
  acct: [163, 89],
  unshare: [272, 97],
  kexec_load: [246, 104],
  init_module: [175, 105],
  delete_module: [176, 106],
  clock_settime: [227, 112],
  syslog: [103, 116],
  ptrace: [101, 117],
  reboot: [169, 142],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  settimeofday: [164, 170],
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  swapon: [167, 224],
  swapoff: [168, 225],
  perf_event_open: [298, 241],
  fanotify_init: [300, 262],
  name_to_handle_at: [303, 264],
  open_by_handle_at: [304, 265],
  setns: [308, 268],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  kcmp: [312, 272],
  finit_module: [313, 273],
  bpf: [321, 280],
  userfaultfd: [323, 282],
  kexec_file_load: [320, 294],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  pidfd_getfd: [438, 438],
  mount_setattr: [442, 442],
  open_tree_attr: [467, 467],
  // Asynchronous I/O: the host has one number of events for everybody.
  io_setup: [206, 0],
  quotactl_fd: [443, 443],
  lookup_dcookie: [212, 18],
  iopl: [172, null],
  ioperm: [173, null],
  uselib: [134, null],
  ustat: [136, null],
  modify_ldt: [154, null],
  _sysctl: [156, null],
}

const IOCTL = { x64: 16, arm64: 29 } as const
const SOCKET = { x64: 41, arm64: 198 } as const
const SHMGET = { x64: 29, arm64: 194 } as const
/** Times the kernel's 4,096 segments this is 512 MiB. */
const MAX_SEGMENT_BYTES = 128 * 1024
const SEMGET = { x64: 64, arm64: 190 } as const
/** Times the kernel's 32,000 sets and 64 bytes this is 64 MiB. */
const MAX_SET_SEMAPHORES = 32
const MSGGET = { x64: 68, arm64: 186 } as const
const SOCKETPAIR = { x64: 53, arm64: 199 } as const
const TIOCSTI = 0x5412
const TIOCLINUX = 0x541c
/** AF_UNIX, AF_INET, AF_INET6. */
const SOCKET_FAMILIES = [1, 2, 10]
/** To the kernel, as `getaddrinfo` and `ip` talk; not from one process to another, whose buffers nobody counts. */
const AF_NETLINK = 16
const NETLINK_USERSOCK = 2

const LD_ABS = 0x20
const JEQ = 0x15
const JGE = 0x35
const JGT = 0x25
const RET = 0x06
const RET_ALLOW = 0x7fff0000
const RET_EPERM = 0x00050001
/** Offsets in `struct seccomp_data` (little endian: the low word of an argument comes first). */
const OFFSET_NR = 0
const OFFSET_ARCH = 4
const OFFSET_ARG0 = 16
const OFFSET_ARG1 = 24
const OFFSET_ARG1_HIGH = 28
const OFFSET_ARG2 = 32
/** Bit that marks a call of the x32 ABI, whose numbers the list does not know. */
const X32_BIT = 0x40000000

type Label = 'deny' | 'allow' | 'ioctl' | 'socket' | 'netlink' | 'segment' | 'semaphores'

interface Jump {
  readonly code: number
  readonly k: number
  readonly yes?: Label
  readonly no?: 'deny'
}

/** What the filter refuses beyond what it always does, see `seccompProgram`. */
export interface SeccompOptions {
  /** Nobody counts what System V keeps: no shared memory above 128 KiB, no more than 32 semaphores a set, no queue. */
  readonly smallSegments?: boolean
}

/**
 * The assembled program: 8 bytes an instruction, ready to be read by bwrap. Returns null on an architecture whose
 * numbers are not known; the provider then reports that the filter is missing and takes no work. Pure.
 */
export function seccompProgram(arch: string = process.arch, options: SeccompOptions = {}): Buffer | null {
  if (arch !== 'x64' && arch !== 'arm64') return null
  const body: (Jump | Label)[] = [
    { code: LD_ABS, k: OFFSET_ARCH },
    { code: JEQ, k: AUDIT_ARCH[arch], no: 'deny' },
    { code: LD_ABS, k: OFFSET_NR },
  ]
  if (arch === 'x64') body.push({ code: JGE, k: X32_BIT, yes: 'deny' })
  for (const numbers of Object.values(DENIED)) {
    const number = arch === 'x64' ? numbers[0] : numbers[1]
    if (number !== null) body.push({ code: JEQ, k: number, yes: 'deny' })
  }
  body.push({ code: JEQ, k: IOCTL[arch], yes: 'ioctl' })
  body.push({ code: JEQ, k: SOCKET[arch], yes: 'socket' }, { code: JEQ, k: SOCKETPAIR[arch], yes: 'socket' })
  if (options.smallSegments) {
    body.push({ code: JEQ, k: SHMGET[arch], yes: 'segment' }, { code: JEQ, k: SEMGET[arch], yes: 'semaphores' })
    body.push({ code: JEQ, k: MSGGET[arch], yes: 'deny' })
  }
  body.push({ code: RET, k: RET_ALLOW })
  body.push('ioctl', { code: LD_ABS, k: OFFSET_ARG1 })
  body.push({ code: JEQ, k: TIOCSTI, yes: 'deny' }, { code: JEQ, k: TIOCLINUX, yes: 'deny' })
  body.push({ code: RET, k: RET_ALLOW })
  body.push('socket', { code: LD_ABS, k: OFFSET_ARG0 })
  body.push({ code: JEQ, k: AF_NETLINK, yes: 'netlink' })
  for (const family of SOCKET_FAMILIES) body.push({ code: JEQ, k: family, yes: 'allow' })
  body.push({ code: RET, k: RET_EPERM })
  body.push('netlink', { code: LD_ABS, k: OFFSET_ARG2 }, { code: JEQ, k: NETLINK_USERSOCK, yes: 'deny' })
  body.push({ code: JGE, k: 0, yes: 'allow' })
  body.push('segment', { code: LD_ABS, k: OFFSET_ARG1_HIGH }, { code: JGT, k: 0, yes: 'deny' })
  body.push({ code: LD_ABS, k: OFFSET_ARG1 }, { code: JGT, k: MAX_SEGMENT_BYTES, yes: 'deny' })
  body.push({ code: JGE, k: 0, yes: 'allow' })
  body.push('semaphores', { code: LD_ABS, k: OFFSET_ARG1 }, { code: JGT, k: MAX_SET_SEMAPHORES, yes: 'deny' })
  body.push({ code: JGE, k: 0, yes: 'allow' })
  body.push('deny', { code: RET, k: RET_EPERM }, 'allow', { code: RET, k: RET_ALLOW })
  return assemble(body)
}

/** Resolves labels to the relative, forward-only, 8-bit jumps of classic BPF. */
function assemble(body: readonly (Jump | string)[]): Buffer {
  const labels = new Map<string, number>()
  const code: Jump[] = []
  for (const item of body) {
    if (typeof item === 'string') labels.set(item, code.length)
    else code.push(item)
  }
  const program = Buffer.alloc(code.length * 8)
  code.forEach((jump, index) => {
    const distance = (label: string | undefined) => {
      if (label === undefined) return 0
      const target = labels.get(label)
      const steps = target === undefined ? -1 : target - index - 1
      if (steps < 0 || steps > 255) throw new Error(`seccomp program: ${label} is out of reach`)
      return steps
    }
    program.writeUInt16LE(jump.code, index * 8)
    program.writeUInt8(distance(jump.yes), index * 8 + 2)
    program.writeUInt8(distance(jump.no), index * 8 + 3)
    program.writeUInt32LE(jump.k >>> 0, index * 8 + 4)
  })
  return program
}

import { describe, expect, test } from 'vitest'
import { bwrapArgv, commandEnv, prlimitArgv } from '../../../src/sandbox/local-bwrap/argv.ts'
import type { HostView } from '../../../src/sandbox/local-bwrap/host-view.ts'
import { DEFAULT_LIMITS } from '../../../src/sandbox/local-bwrap/limits.ts'

const host: HostView = {
  mounts: [
    { kind: 'bind', source: '/usr', target: '/usr' },
    { kind: 'symlink', source: 'usr/bin', target: '/bin' },
  ],
  etc: [],
  own: [],
  hidden: ['/usr/src/app'],
  path: '/usr/bin',
}
const input = {
  argv: ['echo', 'a b', '--', '--bind'],
  cwd: 'sub dir',
  env: { A: 'x y' },
  workspace: '/data/p 1/workspace',
  etc: '/data/copy/etc',
  homeDir: '/data/etc',
  host,
  limits: DEFAULT_LIMITS,
  hardLimits: { openFiles: 1024, processes: 100 },
}

describe('bwrap argv', () => {
  test('what names host paths is in the hidden part, what the agent asked for in the visible one, unchanged', () => {
    const { args, command } = bwrapArgv(input)
    expect({
      command: command.slice(command.indexOf('--') + 1),
      hidden: command.some((word) => word.includes('/data')),
      workspace: args.slice(args.indexOf('--bind'), args.indexOf('--bind') + 3),
      cwd: args[args.indexOf('--chdir') + 1],
      isRootClosedAfterMounts: args.lastIndexOf('--remount-ro') > args.lastIndexOf('--bind'),
    }).toEqual({
      command: ['echo', 'a b', '--', '--bind'],
      hidden: false,
      workspace: ['--bind', '/data/p 1/workspace', '/workspace'],
      cwd: '/workspace/sub dir',
      isRootClosedAfterMounts: true,
    })
  })

  test('exactly one host path is writable, and every isolation flag is there', () => {
    const { args } = bwrapArgv(input)
    const flags = ['user', 'pid', 'ipc', 'uts', 'net'].map((name) => `--unshare-${name}`)
    const wanted = [...flags, '--disable-userns', '--die-with-parent', '--new-session', '--clearenv', '--seccomp']
    expect([args.filter((word) => word === '--bind').length, wanted.filter((flag) => !args.includes(flag))]).toEqual([
      1,
      [],
    ])
  })

  test('limits never exceed the hard limits of the runner', () => {
    expect(prlimitArgv(DEFAULT_LIMITS, { openFiles: 1024, processes: 100 })).toEqual([
      '/usr/bin/prlimit',
      '--nofile=1024:1024',
      '--nproc=100:100',
      '--fsize=1073741824:1073741824',
      '--data=5368709120:5368709120',
      '--core=0:0',
      '--',
    ])
  })

  test('the environment is fixed values and what the caller asked for', () => {
    expect(commandEnv(host, { CI: '0', X: '1' })).toMatchObject({ PATH: '/usr/bin', CI: '0', X: '1', TERM: 'dumb' })
  })
})

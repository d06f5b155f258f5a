import { describe, expect, test } from 'vitest'
import { whyNoSandbox } from '../../../src/sandbox/local-bwrap/no-sandbox.ts'
import { judge } from '../../../src/sandbox/local-bwrap/probe.ts'

const USER = { uid: 70_000, gid: 70_000 }
const WELL = [
  'outer Uid: 70000 70000 70000 70000',
  'outer Gid: 70000 70000 70000 70000',
  'outer Groups:',
  'uid 1000',
  'CapEff:\t0000000000000000',
  'CapBnd:\t0000000000000000',
  'NoNewPrivs:\t1',
  'Seccomp:\t2',
  'interfaces 0',
  'nested no',
  'keeper cgroup-v2',
  'memory kept',
  'processes kept',
  'end',
]

function judged(
  replace: Readonly<Record<string, string | null>>,
  more: readonly string[] = [],
  user: typeof USER | null = USER,
) {
  const facts = [...WELL.flatMap((line) => (line in replace ? (replace[line] ?? []) : line)), ...more]
  const { ok, detail, protections } = judge(facts.join('\n'), { user })
  return { ok, detail, failing: protections.flatMap(({ name, holds }) => (holds ? [] : [name])) }
}

describe('what a sandbox says of itself', () => {
  test('a sandbox counts as one only when everything it says about itself is right', () => {
    const facts = WELL.map((line) => (line === 'keeper cgroup-v2' ? 'keeper cgroup-v1' : line))
    const isOk = (lines: readonly string[]) => judge(lines.join('\n'), { user: USER }).ok
    const instead: readonly [string, string][] = [
      ['outer Uid: 70000 70000 70000 70000', 'outer Uid: 0 0 0 0'],
      ['outer Groups:', 'outer Groups: 0 4'],
      ['uid 1000', 'uid 0'],
      ['CapEff:\t0000000000000000', 'CapEff:\t0000000000000001'],
      ['NoNewPrivs:\t1', 'NoNewPrivs:\t0'],
      ['Seccomp:\t2', 'Seccomp:\t0'],
      ['interfaces 0', 'interfaces 1'],
      ['nested no', 'nested yes'],
      ['memory kept', ''],
      ['processes kept', ''],
      ['end', ''],
    ]
    const more = ['missing node', 'writable /proc/sys/x', 'key /etc/ssl/a', 'descriptor 100', 'seen /usr/src/app']
    expect([
      isOk(facts),
      instead.filter(([line, other]) => isOk(facts.map((fact) => (fact === line ? other : fact)))),
      more.filter((line) => isOk([...facts, line])),
      judge('', { user: USER }).ok,
    ]).toEqual([true, [], [], false])
  })

  test('all protections hold where each answer is as it must be', () => {
    expect(judged({})).toMatchObject({ ok: true, failing: [] })
  })

  test.each<[string, Parameters<typeof judged>, string[], string]>([
    [
      'root outside',
      [{ 'outer Uid: 70000 70000 70000 70000': 'outer Uid: 0 0 0 0' }],
      ['user'],
      'set KEELSON_SANDBOX_USER',
    ],
    ['in root’s group', [{ 'outer Groups:': 'outer Groups: 0' }], ['user'], 'set KEELSON_SANDBOX_USER'],
    [
      'who it is is not known',
      [{ 'outer Uid: 70000 70000 70000 70000': 'outer Uid' }, [], null],
      ['user'],
      'KEELSON_SANDBOX_USER',
    ],
    ['another number inside', [{ 'uid 1000': 'uid 0' }], ['namespaces'], 'Linux must allow user namespaces'],
    [
      'capabilities',
      [{ 'CapEff:\t0000000000000000': 'CapEff:\t0000000000000001' }],
      ['namespaces'],
      'privileges of this host',
    ],
    [
      'capabilities to be had',
      [{ 'CapBnd:\t0000000000000000': 'CapBnd:\t000001ffffffffff' }],
      ['namespaces'],
      'privileges',
    ],
    ['new privileges', [{ 'NoNewPrivs:\t1': 'NoNewPrivs:\t0' }], ['namespaces'], 'privileges of this host'],
    ['namespaces inside', [{ 'nested no': 'nested yes' }], ['namespaces'], 'Linux must allow user namespaces'],
    ['an interface', [{ 'interfaces 0': 'interfaces 1' }], ['network'], 'commands would reach the network'],
    ['no filter', [{ 'Seccomp:\t2': 'Seccomp:\t0' }], ['system-calls'], 'CONFIG_SECCOMP_FILTER'],
    ['no filter in the kernel', [{ 'Seccomp:\t2': null }], ['system-calls'], 'CONFIG_SECCOMP_FILTER'],
    ['kernel settings', [{}, ['writable /proc/sys/vm/x']], ['kernel-settings'], 'mount /proc in full'],
    [
      'private keys',
      [{}, ['key /etc/a.key', 'key /etc/b.key']],
      ['private-keys'],
      '/etc/a.key, /etc/b.key; let only root',
    ],
    ['descriptors', [{}, ['descriptor 7']], ['descriptors'], 'descriptors that Keelson inherited reach commands: 7'],
    ['our files', [{}, ['seen /srv/home']], ['own-files'], 'commands would see /srv/home: move it'],
    ['memory beyond its cgroup', [{ 'memory kept': null }], ['memory'], 'swapaccount=1'],
    ['processes beyond their cgroup', [{ 'processes kept': null }], ['processes'], 'swapaccount=1'],
    [
      'nothing seen from outside',
      [{ 'keeper cgroup-v2': 'keeper watchdog', 'memory kept': null }],
      ['memory'],
      'hidepid',
    ],
    ['a tool', [{}, ['missing rg']], [], 'rg cannot be found inside the sandbox'],
    ['an answer', [{ end: null }], [], 'did not answer all questions'],
  ])('%s: only that does not hold, and the report says what to do', (_what, facts, failing, words) => {
    const { ok, detail, ...found } = judged(...facts)
    expect({ ok, found, says: detail.includes(words) ? words : detail }).toEqual({
      ok: false,
      found: { failing },
      says: words,
    })
  })

  test('an ordinary user’s group may be root’s, and a watchdog is enough', () => {
    expect(
      judged(
        { 'outer Gid: 70000 70000 70000 70000': 'outer Gid: 0 0 0 0', 'keeper cgroup-v2': 'keeper watchdog' },
        [],
        null,
      ),
    ).toMatchObject({ ok: true, failing: [] })
  })
})

describe('a command without a sandbox', () => {
  const said = (words: string, status = '') => whyNoSandbox({ code: 1, status, said: `bwrap: ${words}\n` })

  test.each([
    ['No permissions to create new namespace', 'Linux must allow user namespaces'],
    ['setting up uid map: Permission denied', 'Linux must allow user namespaces'],
    ['Creating new namespace failed: No space left on device', 'Linux must allow user namespaces'],
    ['prctl(PR_SET_SECCOMP): Invalid argument', 'CONFIG_SECCOMP_FILTER'],
    ['Unknown option --json-status-fd', 'version 0.8 or newer'],
  ])('%s is told with the way out', (words, wayOut) => {
    expect(said(words)).toContain(wayOut)
    expect(said(words, '{ "child-pid": 7 }')).toContain(`bubblewrap cannot make a sandbox here (bwrap: ${words})`)
  })

  test('a command that began, whatever it prints, one whose directory is gone, and a host short of memory are none', () => {
    expect([
      said('No permissions', '{ "child-pid": 7 }\n{ "exit-code": 1 }'),
      said("Can't chdir to /workspace/gone: No such file or directory"),
      said('Creating new namespace failed: Resource temporarily unavailable'),
      whyNoSandbox({ code: 1, status: '', said: 'bash: x\nbwrap: No permissions' }),
      whyNoSandbox({ code: 0, status: '', said: 'bwrap: x' }),
    ]).toEqual([null, null, null, null, null])
  })
})

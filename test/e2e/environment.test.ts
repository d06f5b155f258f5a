/** Projects that need something from outside: their set-up, their network, and what a person says of both. */

import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { scriptOf } from '../support/model-admin.ts'
import { TestStack } from '../support/stack.ts'
import { waitFor } from '../support/wait-for.ts'
import { APPROVES, writes } from './suites/review-projects/project.ts'

const HOUR_MS = 3_600_000
// The tools are asked for their registries, as in a real instance.
const stack = new TestStack({ settings: { KEELSON_REGISTRIES: '', HOME: process.env['HOME'] ?? '/root' } })
beforeAll(() => stack.start())
afterAll(() => stack.stop())

interface Event {
  readonly type: string
  readonly taskId?: string
  readonly [name: string]: unknown
}

async function eventsOf(taskId: string, type: string): Promise<Event[]> {
  const rows = await stack.query<{ data: string }>(
    'SELECT data FROM events WHERE task_id = $1 AND type = $2 ORDER BY seq',
    [taskId, type],
  )
  return rows.map(({ data }) => JSON.parse(data) as Event)
}

async function projectEvents(projectId: string, type: string): Promise<Event[]> {
  const rows = await stack.query<{ data: string }>(
    'SELECT data FROM events WHERE project_id = $1 AND type = $2 ORDER BY seq',
    [projectId, type],
  )
  return rows.map(({ data }) => JSON.parse(data) as Event)
}

async function played(files: Record<string, string>, changed: Record<string, string>) {
  const projectId = await stack.api.newProject({ kind: 'files', files })
  const { taskId } = await stack.api.chat(projectId, { message: scriptOf(writes(changed), [APPROVES]) })
  const task = await stack.api.ended(taskId, HOUR_MS)
  const setup = await eventsOf(taskId, 'setup.finished')
  const checks = await eventsOf(taskId, 'review.check')
  // What the set-up installed is no work of the task.
  const { leftOut } = await stack.api.get<{ leftOut: { kind: string }[] }>(`/api/tasks/${taskId}/diff`)
  expect(leftOut.filter(({ kind }) => kind !== 'cache')).toEqual([])
  return {
    projectId,
    taskId,
    outcome: task.outcome,
    setup: setup.map(({ state, restored, output }) => ({ state, restored, output })),
    checks: checks.map(({ check }) => (check as { name: string; status: string }).status),
  }
}

const READY = { state: 'ready', restored: [], output: '' }
const NPM = {
  'package.json': JSON.stringify({
    name: 'tiny',
    version: '1.0.0',
    private: true,
    scripts: { test: 'node --test' },
    dependencies: { 'is-number': '7.0.0' },
  }),
  'index.js': 'module.exports = (value) => require("is-number")(value)\n',
  'index.test.js':
    'const { test } = require("node:test")\nconst assert = require("node:assert")\nconst is = require("./index.js")\ntest("numbers", () => assert.ok(is("5")))\n',
}
const NPM_CHANGE = {
  'index.js': 'const isNumber = require("is-number")\nmodule.exports = (value) => isNumber(value)\n',
}

const CRATE = '[package]\nname = "tiny"\nversion = "0.1.0"\n\n[dependencies]\nitoa = "=1.0.11"\n'

describe('a project with a dependency', () => {
  test('JavaScript: what it needs is installed once, its test runs and the change is approved', async () => {
    const first = await played(NPM, NPM_CHANGE)
    expect({ outcome: first.outcome, setup: first.setup, checks: first.checks }).toEqual({
      outcome: 'approved',
      setup: [READY],
      checks: ['passed'],
    })
    const { taskId } = await stack.api.chat(first.projectId, {
      message: scriptOf(writes({ 'note.md': 'two\n' }), [APPROVES]),
    })
    expect((await stack.api.ended(taskId)).outcome).toBe('approved')
    expect(await eventsOf(taskId, 'setup.started')).toEqual([])
    const environment = await stack.api.get<{
      status: { state: string }
      setup: { commands: { name: string; source: string }[] }
    }>(`/api/workspace/${first.projectId}/environment`)
    expect([environment.status.state, environment.setup.commands]).toEqual([
      'ready',
      [{ name: 'npm install', command: expect.any(String), source: 'detected' }],
    ])
  })

  test('Python: the same from the index that this host’s pip uses', async () => {
    const seen = await played(
      {
        'requirements.txt': 'six==1.16.0\npytest==8.3.4\n',
        'sums.py': 'import six\n\ndef add(a, b):\n    return a + b\n',
        'test_sums.py': 'from sums import add\n\ndef test_add():\n    assert add(1, 2) == 3\n',
      },
      { 'sums.py': 'import six\n\n\ndef add(a, b):\n    """Adds."""\n    return a + b\n' },
    )
    expect({ outcome: seen.outcome, setup: seen.setup, checks: seen.checks }).toEqual({
      outcome: 'approved',
      setup: [READY],
      checks: ['passed'],
    })
  })

  test.runIf(existsSync('/usr/local/go/bin/go') || existsSync('/usr/bin/go'))(
    'Go: the same through the proxy that this host’s go uses',
    async () => {
      const seen = await played(
        {
          'go.mod': 'module tiny\n\ngo 1.21\n\nrequire github.com/google/uuid v1.6.0\n',
          'go.sum':
            'github.com/google/uuid v1.6.0 h1:NIvaJDMOsjHA8n1jAhLSgzrAzy1Hgr+hNrb57e+94F0=\ngithub.com/google/uuid v1.6.0/go.mod h1:TIyPZe4MgqvfeYDBFedMoGGpEw/LqOeaOT+nhxU+yHo=\n',
          'id.go': 'package tiny\n\nimport "github.com/google/uuid"\n\nfunc ID() string { return uuid.Nil.String() }\n',
          'id_test.go':
            'package tiny\n\nimport "testing"\n\nfunc TestID(t *testing.T) {\n\tif len(ID()) != 36 {\n\t\tt.Fatal(ID())\n\t}\n}\n',
        },
        {
          'id.go':
            'package tiny\n\nimport "github.com/google/uuid"\n\n// ID is the zero id.\nfunc ID() string { return uuid.Nil.String() }\n',
        },
      )
      expect({ outcome: seen.outcome, setup: seen.setup }).toEqual({ outcome: 'approved', setup: [READY] })
    },
  )

  test('pnpm and yarn: fetched from the registry when this host lacks them, and what they install is tested', async () => {
    const seen = []
    for (const packageManager of ['pnpm@10.12.1', 'yarn@1.22.22']) {
      const manifest = { ...JSON.parse(NPM['package.json']), packageManager }
      seen.push(await played({ ...NPM, 'package.json': JSON.stringify(manifest) }, NPM_CHANGE))
    }
    expect(seen.map(({ outcome, setup, checks }) => [outcome, setup.map(({ state }) => state), checks])).toEqual([
      ['approved', ['ready'], ['passed']],
      ['approved', ['ready'], ['passed']],
    ])
  })

  test('uv and Cargo reach their registries from inside, as far as commands have them', async () => {
    const projectId = await stack.api.newProject({ kind: 'files', files: NPM })
    const commands = [
      'python3 -m venv /tmp/u && /tmp/u/bin/pip -q install uv && /tmp/u/bin/uv -q venv /tmp/v && VIRTUAL_ENV=/tmp/v /tmp/u/bin/uv -q pip install six && /tmp/v/bin/python -c "import six"',
      `command -v cargo || exit 0; mkdir -p /tmp/c/src && cd /tmp/c && touch src/lib.rs && printf '%s' '${CRATE}' > Cargo.toml && cargo -q fetch`,
    ]
    const { taskId } = await stack.api.chat(projectId, {
      message: scriptOf(
        [{ tools: commands.map((command) => ({ name: 'bash', input: { command } })) }, { text: 'Done.' }],
        [],
      ),
    })
    await stack.api.ended(taskId, HOUR_MS)
    const finished = await eventsOf(taskId, 'command.finished')
    const ends = finished
      .slice(-2)
      .map(({ exitCode, output }) => (exitCode === 0 ? 0 : Buffer.from(String(output), 'base64').toString()))
    expect(ends).toEqual([0, 0])
    expect(await eventsOf(taskId, 'network.denied')).toEqual([])
  })

  test('a set-up that fails is told to the model, with the host that it was refused, and ends no task', async () => {
    const broken = {
      ...NPM,
      'package.json': JSON.stringify({
        name: 'tiny',
        scripts: { preinstall: 'curl -sS -m 5 https://downloads.example/tool' },
        dependencies: { 'is-number': '7.0.0' },
      }),
    }
    const seen = await played(broken, { 'note.md': 'one\n' })
    expect(seen.setup).toEqual([
      { state: 'failed', restored: [], output: expect.stringContaining('downloads.example') },
    ])
    const denied = await eventsOf(seen.taskId, 'network.denied')
    expect(denied.map(({ host, command }) => ({ host, command }))).toEqual([
      { host: 'downloads.example', command: 'set-up' },
    ])
    const notices = await stack.query<{ text: string }>(
      "SELECT text FROM notices WHERE task_id = $1 AND key LIKE 'setup:%'",
      [seen.taskId],
    )
    expect(notices.map(({ text }) => text)).toEqual([
      expect.stringMatching(
        /^Notice: the project's set-up failed \(exit code \d+\)[^]*Refused by the network policy: downloads\.example\. Only a person can allow a host\.$/,
      ),
    ])
    expect(seen.outcome).not.toBe('failed')
  })

  test('server, worker and Temporal are killed while it installs: it is one installation, its output whole, and the task goes on', async () => {
    const slow = { ...NPM, 'note.txt': 'kill' }
    const projectId = await stack.api.newProject({ kind: 'files', files: slow })
    const before = await stack.api.get<{ version: number; network: object; setup: object }>(
      `/api/workspace/${projectId}/environment`,
    )
    const setup = {
      enabled: true,
      commands: [
        {
          name: 'npm install',
          command:
            'echo begun >> ../workspace/begun.log; seq 20000; sleep 8; seq 3; npm install --silent --no-package-lock',
        },
      ],
    }
    const saved = await stack.api.call(
      'PUT',
      `/api/workspace/${projectId}/environment`,
      { ...before, setup },
      { 'if-match': '0' },
    )
    expect(saved.status).toBe(200)
    const { taskId } = await stack.api.chat(projectId, { message: scriptOf(writes(NPM_CHANGE), [APPROVES]) })
    for (const [type, part] of [
      ['setup.started', 'server'],
      ['command.started', 'worker'],
      ['command.started', 'temporal'],
    ] as const) {
      await waitFor(async () => (await projectEvents(projectId, type)).length > 0, `${type} was told`, HOUR_MS)
      await stack.killAndAwait(part)
    }
    const task = await stack.api.ended(taskId)
    const { content } = await stack.api.get<{ content: string }>(
      `/api/workspace/${projectId}/files/content?path=begun.log`,
    )
    const finished = await eventsOf(taskId, 'setup.finished')
    const [command] = await eventsOf(taskId, 'command.finished')
    const numbers = [20_000, 3].map((last) => Array.from({ length: last }, (_, n) => `${n + 1}\n`).join('')).join('')
    expect([task.outcome, content, finished.map(({ state }) => state)]).toEqual(['approved', 'begun\n', ['ready']])
    expect(Buffer.from(String(command?.['output']), 'base64').toString().startsWith(numbers)).toBe(true)
  })
})

describe('what a person says', () => {
  test('a refused host is told once for each command, and allowed by the next version', async () => {
    const projectId = await stack.api.newProject({ kind: 'files', files: { 'a.txt': 'a\n' } })
    const curl = {
      name: 'bash',
      input: { command: 'curl -sS -m 5 https://unlisted.example; curl -sS -m 5 https://unlisted.example; true' },
    }
    const { taskId } = await stack.api.chat(projectId, {
      message: scriptOf([{ tools: [curl] }, { text: 'Done.' }], []),
    })
    await stack.api.ended(taskId)
    const denied = await eventsOf(taskId, 'network.denied')
    expect(denied.map(({ host, port, command }) => ({ host, port, command }))).toEqual([
      { host: 'unlisted.example', port: 443, command: curl.input.command },
    ])
    const [finished] = await eventsOf(taskId, 'command.finished')
    expect(Buffer.from(String(finished?.['output']), 'base64').toString()).toContain(
      'keelson: network: unlisted.example is not allowed',
    )
    const path = `/api/workspace/${projectId}/environment`
    const { body, headers } = await stack.api.call<object>('GET', path)
    const network = { policy: 'hosts', hosts: ['unlisted.example'] }
    const saved = await stack.api.call<{ version: number; network: object }>(
      'PUT',
      path,
      { ...body, network },
      { 'if-match': headers.get('etag') ?? '' },
    )
    expect([saved.status, saved.body.version, saved.body.network]).toEqual([200, 1, network])
    expect((await stack.api.call('PUT', path, { ...body, network }, { 'if-match': '0' })).status).toBe(409)
    expect((await stack.api.call('PUT', path, { ...body, network })).status).toBe(428)
  })

  test('what cannot be a policy, a variable or a command is refused by the name of its field', async () => {
    const projectId = await stack.api.newProject({ kind: 'empty' })
    const path = `/api/workspace/${projectId}/environment`
    const good = {
      network: { policy: 'hosts', hosts: ['a.example'] },
      setup: { enabled: true, commands: [] },
      variables: [],
      services: [],
    }
    const faults: Record<string, object> = {
      'network.hosts[1]': { ...good, network: { policy: 'hosts', hosts: ['a.example', 'https://b.example'] } },
      'network.hosts[0]': { ...good, network: { policy: 'hosts', hosts: ['*.com'] } },
      'network.policy': { ...good, network: { policy: 'all', hosts: [] } },
      'variables[0].name': { ...good, variables: [{ name: 'API_TOKEN', value: 'x' }] },
      'variables[1].name': {
        ...good,
        variables: [
          { name: 'A', value: '1' },
          { name: 'A', value: '2' },
        ],
      },
      'setup.commands[0].cwd': {
        ...good,
        setup: { enabled: true, commands: [{ name: 'x', command: 'true', cwd: '../..' }] },
      },
    }
    const hosts = [
      'a.example',
      'http://b.example',
      'b.example:1-9',
      '*.com',
      '10.0.0.1',
      '[::1]',
      '0x7f.1',
      'a\0.example',
    ]
    const each = await stack.api.call<{ error?: { details?: object } }>(
      'PUT',
      path,
      { ...good, network: { policy: 'hosts', hosts } },
      { 'if-match': '0' },
    )
    const named = hosts.slice(1).map((_, index) => `network.hosts[${index + 1}]`)
    expect([each.status, Object.keys(each.body.error?.details ?? {})]).toEqual([400, named])
    for (const [field, body] of Object.entries(faults)) {
      const answer = await stack.api.call<{ error?: { details?: object } }>('PUT', path, body, { 'if-match': '0' })
      expect([field, answer.status, Object.keys(answer.body.error?.details ?? {})]).toEqual([field, 400, [field]])
    }
  })

  test('a set-up that is asked for while no task runs is run alone', async () => {
    const projectId = await stack.api.newProject({ kind: 'files', files: NPM })
    const asked = await stack.api.call<{ taskId: string | null }>(
      'POST',
      `/api/workspace/${projectId}/environment/setup`,
      {},
    )
    expect([asked.status, asked.body.taskId]).toEqual([202, null])
    await waitFor(
      async () => (await projectEvents(projectId, 'setup.finished')).length > 0,
      'the set-up ended',
      HOUR_MS,
    )
    expect((await projectEvents(projectId, 'setup.finished')).map(({ state }) => state)).toEqual(['ready'])
  })
})

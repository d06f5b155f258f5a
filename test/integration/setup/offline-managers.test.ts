/** Package managers whose registries a test need not reach: real installations from parts that lie in the project. */

import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { readSetup, saveEnvironment } from '../../../src/db/workspace/environments.ts'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { runExec } from '../../../src/tools/exec.ts'
import { aProject } from '../../support/tasks.ts'
import { aFilledSandbox, aSetupBench, endTask, setUpAsTask } from './set-up-bench.ts'

const bench = aSetupBench()

const CRATE = (name: string, more = '') => `[package]\nname = "${name}"\nversion = "0.1.0"\nedition = "2021"\n${more}`

interface Project {
  readonly program: string
  readonly files: Readonly<Record<string, string>>
  /** Uses what was installed and prints `ok`. */
  readonly use: string
}

const PROJECTS: Readonly<Record<string, Project>> = {
  'Composer, a path repository': {
    program: '/usr/bin/composer',
    files: {
      'composer.json':
        '{"name":"t/root","repositories":[{"type":"path","url":"lib"},{"packagist.org":false}],"require":{"t/lib":"*@dev"}}',
      'lib/composer.json': '{"name":"t/lib","version":"1.0.0","autoload":{"files":["ok.php"]}}',
      'lib/ok.php': '<?php function ok() { return "ok\\n"; }\n',
    },
    use: `php -r 'require "vendor/autoload.php"; echo ok();'`,
  },
  'Bundler, a gem below the project': {
    program: '/usr/bin/bundle',
    files: {
      Gemfile: 'gem "lib", path: "lib"\n',
      'lib/lib.gemspec':
        'Gem::Specification.new { |s| s.name = "lib"; s.version = "1.0.0"; s.summary = "x"; s.authors = ["x"]; s.files = ["lib/lib.rb"] }\n',
      'lib/lib/lib.rb': 'OK = "ok"\n',
    },
    use: `bundle exec ruby -e 'require "lib"; puts OK'`,
  },
  'Cargo, a workspace with private members': {
    program: '/usr/bin/cargo',
    files: {
      'Cargo.toml': '[workspace]\nmembers = ["app", "lib"]\nresolver = "2"\n',
      'app/Cargo.toml': CRATE('app', '[dependencies]\nlib = { path = "../lib" }\n'),
      'app/src/main.rs': 'fn main() { println!("{}", lib::OK) }\n',
      'lib/Cargo.toml': CRATE('lib'),
      'lib/src/lib.rs': 'pub const OK: &str = "ok";\n',
    },
    use: 'cargo run -q --offline -p app',
  },
  'Go, a workspace of modules': {
    program: '/usr/local/go/bin/go',
    files: {
      'go.work': 'go 1.21\n\nuse (\n\t./app\n\t./lib\n)\n',
      'app/go.mod': 'module t.example/app\n\ngo 1.21\n\nrequire t.example/lib v0.0.0\n',
      'app/main.go': 'package main\n\nimport "t.example/lib"\n\nfunc main() { println(lib.OK) }\n',
      'lib/go.mod': 'module t.example/lib\n\ngo 1.21\n',
      'lib/lib.go': 'package lib\n\nconst OK = "ok"\n',
    },
    use: 'cd app; GOPROXY=off go run . 2>&1',
  },
}

let runs = 0
async function setUpAndUse(projectId: string, generation: number, { files, use }: Project) {
  const sandbox = await aFilledSandbox(bench, { projectId, generation }, files)
  const task = await setUpAsTask(bench, projectId, sandbox)
  const { state, output, fromCache } = await readSetup(bench.db, projectId)
  await endTask(bench.db, task)
  return { state, output: fromCache ? '' : output, printed: await printed(sandbox, use) }
}

async function printed(sandbox: Sandbox, sh: string): Promise<string> {
  const { head } = await runExec(
    sandbox,
    { execId: `use-${++runs}`, taskId: 'test', argv: { sh }, timeoutMs: 60_000, network: true },
    { signal: new AbortController().signal, shouldKill: () => true, headBytes: 16_000, tailBytes: 0 },
  )
  return Buffer.from(head).toString()
}

test.each(Object.entries(PROJECTS).filter(([, { program }]) => existsSync(program)))(
  '%s: installed for real, and in the next sandbox again',
  { timeout: 120_000 },
  async (_name, project) => {
    const projectId = await aProject(bench.db)
    await saveEnvironment(bench.db, projectId, 0, {
      network: { policy: 'none', hosts: [] },
      setup: { enabled: true, commands: [] },
      variables: [],
      services: [],
    })
    const found = [await setUpAndUse(projectId, 1, project), await setUpAndUse(projectId, 2, project)]
    const ready = { state: 'ready', output: '', printed: 'ok\n' }
    expect(found).toEqual([ready, ready])
  },
)

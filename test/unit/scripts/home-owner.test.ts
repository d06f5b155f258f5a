import { spawnSync } from 'node:child_process'
import { lchownSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
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

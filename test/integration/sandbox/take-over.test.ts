/** Root takes over what another user's start left, and dies at any of its steps: the next start finishes it. */

import { chownSync, lchownSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sandboxPaths } from '../../../src/sandbox/local-bwrap/layout.ts'
import { takeOverDirectory, takeOverWorkspace } from '../../../src/sandbox/local-bwrap/take-over.ts'
import { armCrashPoint } from '../../../src/shared/crash-points.ts'

const BEFORE = { uid: 65_531, gid: 65_531 }
const AFTER = { uid: 65_532, gid: 65_532 }
const IDS = ['prj_a/g0', 'prj_b/g1']

/** A process that dies does nothing more; nothing on the way of a take-over catches what is thrown. */
class Died extends Error {}

/** The sandboxes of another user: two projects with files and a command's record each, and the runner's own files. */
function aDirectory(): string {
  const dir = mkdtempSync(join(tmpdir(), 'keelson-take-over-'))
  const files = ['runner.json', 'etc/passwd', 'caches/npm/index']
  for (const id of IDS) {
    const { workspace, jobs, base } = sandboxPaths(dir, id)
    files.push(
      ...[`${workspace}/src/a.ts`, `${workspace}/b.ts`, `${jobs}/one/log`, `${base}/marker`].map((at) =>
        at.slice(dir.length + 1),
      ),
    )
  }
  for (const file of files) {
    mkdirSync(join(dir, file, '..'), { recursive: true })
    writeFileSync(join(dir, file), file)
  }
  for (const at of ['.', ...names(dir)]) lchownSync(join(dir, at), BEFORE.uid, BEFORE.gid)
  return dir
}

const names = (dir: string) => readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort()

async function takeOver(dir: string): Promise<void> {
  await takeOverDirectory(dir, AFTER)
  for (const id of IDS) await takeOverWorkspace(sandboxPaths(dir, id), AFTER)
}

/** Whether it died at its n-th step. */
async function diesAt(step: number, work: () => Promise<void>): Promise<boolean> {
  armCrashPoint(`takeover.before_part@${step}`, () => {
    throw new Died()
  })
  try {
    await work()
    return false
  } catch (error) {
    if (error instanceof Died) return true
    throw error
  } finally {
    armCrashPoint('takeover.before_part@1000', () => undefined)
  }
}

describe.runIf(process.getuid?.() === 0)('sandboxes of another user', () => {
  test('a death at any step, and in the midst of a tree, is made good by the next start, and nothing is lost', async () => {
    let steps = 0
    for (let isOver = false; !isOver; steps++) {
      const dir = aDirectory()
      try {
        const before = names(dir)
        isOver = !(await diesAt(steps + 1, () => takeOver(dir)))
        // A tree of which one file was given already; its top, which tells that all of it is, was not.
        const { workspace } = sandboxPaths(dir, 'prj_a/g0')
        if (lstatSync(workspace).uid === BEFORE.uid) chownSync(join(workspace, 'src/a.ts'), AFTER.uid, AFTER.gid)
        await takeOver(dir)
        // The marker is the server's, not the commands'.
        const shared = new Set(before.filter((at) => at.endsWith('marker')))
        const owners = before.filter((at) => !shared.has(at)).map((at) => lstatSync(join(dir, at)).uid)
        expect({ step: steps, names: names(dir), owners: [...new Set(owners)], top: lstatSync(dir).uid }).toEqual({
          step: steps,
          names: before,
          owners: [AFTER.uid],
          top: AFTER.uid,
        })
      } finally {
        rmSync(dir, { recursive: true, force: true })
      }
    }
    expect(steps).toBeGreaterThan(10)
  })
})

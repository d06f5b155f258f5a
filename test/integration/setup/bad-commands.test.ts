/** Commands of a set-up that do what no installer should: each is ended or bounded, told, and the task goes on. */

import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { SetupLimits } from '../../../src/activities/planned-set-up.ts'
import { setUp } from '../../../src/activities/set-up.ts'
import { aSetupBench } from './set-up-bench.ts'
import { anAttempt, aTaskToSetUp, LOCK } from './world.ts'

const bench = aSetupBench()

async function afterRunning(command: string, limits?: SetupLimits) {
  const task = await aTaskToSetUp(bench.db, bench.parts, command)
  const { deps, ask, sandbox } = await anAttempt(bench.db, bench.parts, task)
  await setUp(deps, limits ? { ...ask, limits } : ask)
  const rows = async (text: string) => (await bench.db.pool.query<{ value: string }>(text, [task.taskId])).rows
  const events = await rows(
    `SELECT data AS value FROM events WHERE task_id = $1 AND type IN ('command.finished', 'setup.finished') ORDER BY seq`,
  )
  const [ended, finished] = events.map(({ value }): Record<string, unknown> => JSON.parse(value))
  const [notice] = await rows('SELECT text AS value FROM notices WHERE task_id = $1')
  const running = (await sandbox.execs(task.taskId)).filter(({ status }) => status === 'running')
  return {
    sandbox,
    ended,
    state: finished?.['state'],
    restored: finished?.['restored'],
    notice: notice?.value,
    running,
  }
}

/** Processes of this host with the word among their arguments. */
function processesWith(word: string): number {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes(word)
    } catch {
      // It ended while it was looked at.
      return false
    }
  }).length
}

test('one that never ends is ended at its limit, and the model is told what it was waiting for', async () => {
  const never = await afterRunning('echo waiting; sleep 3600', { commandMs: 1_000, totalMs: 60_000 })
  expect([never.state, never.ended?.['status'], never.running]).toEqual(['failed', 'timed_out', []])
  expect(never.notice).toMatch(/set-up failed \(timed out\)[^]*sleep 3600[^]*waiting/)
})

test('one that floods is kept to its ends and the count of what it printed', async () => {
  const flood = await afterRunning('head -c 40000000 /dev/zero | tr "\\0" x; echo; echo last')
  const output = Buffer.from(String(flood.ended?.['output']), 'base64')
  const tail = Buffer.from(String(flood.ended?.['tail']), 'base64').toString()
  expect([flood.state, flood.ended?.['bytes'], tail.endsWith('x\nlast\n')]).toEqual(['ready', 40_000_006, true])
  expect(output.length + tail.length).toBeLessThanOrEqual(256 * 1024)
})

test('one that leaves daemons leaves none: they end with it', async () => {
  const daemon = await afterRunning(
    '(setsid nohup sleep 98761 >/dev/null 2>&1 &); setsid sleep 98761 & disown; echo left',
  )
  expect([daemon.state, daemon.running, processesWith('98761')]).toEqual(['ready', [], 0])
})

test('one that deletes its workspace is told, and its lock files are there again', async () => {
  const gone = await afterRunning('cd /; rm -rf /workspace 2>/dev/null || true; ls -A /workspace | wc -l')
  const lock = Buffer.from((await gone.sandbox.read('package-lock.json')).data).toString()
  expect([gone.state, gone.restored, lock]).toEqual(['ready', ['package-lock.json'], LOCK])
})

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { aSandbox, textOf } from '../../contract/sandbox/harness.ts'
import { aHost } from './support.ts'

const host = aHost()
const provider = host.provider()
const report = await provider.probe()
afterAll(async () => await host.close())

const ATTEMPT = fileURLToPath(new URL('./frozen-attempt.ts', import.meta.url))
const ROUNDS = 25
const FILES = ['f0', 'f1', 'f2', 'f3', 'f4']
const files = (data: string) => FILES.map((path) => ({ path, data }))

describe.skipIf(!report.ok)(`frozen attempts (${report.detail})`, { timeout: 120_000 }, () => {
  test('wherever an attempt was frozen: when it wakes after a newer one came, it changes nothing and starts nothing', async () => {
    const { ref, sandbox } = await aSandbox(provider)
    await sandbox.write(files('first'))
    const first = await sandbox.checkpoint()
    await sandbox.write(files('second'))
    const second = await sandbox.checkpoint()
    const args = ['--import', 'tsx', ATTEMPT, host.dir, ref.projectId, first, second]
    const attempt = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines = createInterface({ input: attempt.stdout })[Symbol.asyncIterator]()
    const said: string[] = []
    const wrong: unknown[] = []
    try {
      for (let round = 1; round <= ROUNDS; round++) {
        attempt.stdin.write(`${round * 2}\n`)
        await lines.next()
        // Each round meets it at another place; which ones does not matter to the claim.
        await sleep((round * 7) % 41)
        attempt.kill('SIGSTOP')
        const newer = await sandbox.fenced(round * 2 + 1)
        await newer.killAll()
        await newer.write(files(`new ${round}`))
        const commands = (await newer.execs()).length
        attempt.kill('SIGCONT')
        said.push(String((await lines.next()).value))
        const texts = await Promise.all(FILES.map(async (path) => await textOf(newer, path)))
        const isUntouched = texts.every((text) => text === `new ${round}`)
        const started = (await newer.execs()).length - commands
        if (!isUntouched || started > 0) wrong.push({ round, texts, started })
      }
    } finally {
      attempt.kill('SIGKILL')
    }
    expect({ said, wrong }).toEqual({ said: Array(ROUNDS).fill('lease_lost'), wrong: [] })
  })
})

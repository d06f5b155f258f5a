import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { identify, isAlive, sendSignal } from '../../../scripts/lib/process-identity.mjs'
import { stopProcess } from '../../../scripts/lib/stop-process.mjs'

async function aProcess(code: string) {
  const child = spawn(process.execPath, ['-e', `${code}; console.log('up'); setInterval(() => {}, 1000)`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  const identity = identify(child.pid ?? 0)
  if (identity === undefined) throw new Error('the process is not there')
  return { child, identity }
}

test('a process is told from another one with its number', async () => {
  const { child, identity } = await aProcess('')
  const another = { pid: identity.pid, start: `${identity.start}0` }
  expect([isAlive(identity), isAlive(another), sendSignal(another, 'SIGKILL'), isAlive(identity)]).toEqual([
    true,
    false,
    false,
    true,
  ])
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect([isAlive(identity), sendSignal(identity, 'SIGTERM')]).toEqual([false, false])
})

test('a stopped process is woken to end politely, and ending it twice is safe', async () => {
  const { child, identity } = await aProcess(`process.on('SIGTERM', () => process.exit(7))`)
  child.kill('SIGSTOP')
  const exited = once(child, 'exit')
  const first = await stopProcess(identity, 'server')
  const second = await stopProcess(identity, 'server')
  expect({ first, second, exit: await exited }).toEqual({ first: 'SIGTERM', second: undefined, exit: [7, null] })
})

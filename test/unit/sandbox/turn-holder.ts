/**
 * A process that holds turns, for tests that freeze it: takes one for each `kind directory` pair of its arguments, says so,
 * and gives them back at the first line it reads. Prints how each of them ended.
 */

import { createInterface } from 'node:readline'
import { inTurn, type TurnKind } from '../../../src/sandbox/local-bwrap/tree-lock.ts'
import { AppError } from '../../../src/shared/errors.ts'

const given = process.argv.slice(2)
const asked = new Promise<void>((resolve) => createInterface({ input: process.stdin }).once('line', () => resolve()))
const held: Promise<void>[] = []
const ends: Promise<string>[] = []
for (let at = 0; at < given.length; at += 2) {
  const kind: TurnKind = given[at] === 'looking' ? 'looking' : 'changing'
  const directory = given[at + 1] ?? ''
  const taken = new Promise<void>((resolve) => {
    const turn = inTurn(
      directory,
      async () => {
        resolve()
        await asked
      },
      kind,
    )
    ends.push(
      turn.then(() => 'done').catch((error: unknown) => (error instanceof AppError ? error.code : String(error))),
    )
  })
  held.push(taken)
}
await Promise.all(held)
process.stdout.write('held\n')
process.stdout.write(`${(await Promise.all(ends)).join(' ')}\n`)
process.exit(0)

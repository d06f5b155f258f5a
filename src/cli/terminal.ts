/** The keyboard: lines, yes or no, and Ctrl-C while a task runs. */

import { createInterface } from 'node:readline'
import { UsageError } from './usage-error.ts'

const CTRL_C = 0x03
const CTRL_D = 0x04
const ENTER = 0x0d
const LINE_END = 0x0a
const HISTORY_LINES = 200

/** What a person gave the prompt: a line, or one of the keys that end it. */
export type Typed =
  | { readonly kind: 'text'; readonly text: string }
  /** Ctrl-C at the prompt. */
  | { readonly kind: 'interrupt' }
  /** Ctrl-D, or the terminal is gone. */
  | { readonly kind: 'end' }

/** Waits for what a person types; a pasted text of several lines comes as one. `history` is newest first. */
export function readTyped(prompt: string, history: readonly string[] = []): Promise<Typed> {
  return new Promise((resolve) => {
    const lines: string[] = []
    let typed: Typed = { kind: 'end' }
    const reader = createInterface({
      input: process.stdin,
      output: process.stdout,
      prompt,
      history: [...history],
      historySize: HISTORY_LINES,
    })
    reader.on('line', (line) => {
      // The other lines of a paste arrive before the next turn of the event loop.
      if (lines.push(line) === 1) setImmediate(() => reader.close())
    })
    reader.on('SIGINT', () => {
      typed = { kind: 'interrupt' }
      reader.close()
    })
    reader.on('close', () => resolve(lines.length > 0 ? { kind: 'text', text: lines.join('\n') } : typed))
    reader.prompt()
  })
}

/** Asks; anything but `y` or `yes` is no. */
export async function confirm(question: string): Promise<boolean> {
  const typed = await readTyped(`${question} [y/N] `)
  return typed.kind === 'text' && /^y(es)?$/i.test(typed.text.trim())
}

/** One line; null when the person leaves the prompt. */
export async function readLine(prompt: string): Promise<string | null> {
  const typed = await readTyped(prompt)
  return typed.kind === 'text' ? typed.text : null
}

const MAX_SECRET_BYTES = 64 * 1024

/**
 * A secret: typed without being shown where the input is a terminal, else all that the input holds, at most 64 KiB. Blanks
 * around it are left out. Throws `UsageError` when it is longer, or the person leaves the prompt.
 */
export async function readSecret(prompt: string): Promise<string> {
  const { stdin } = process
  const pieces: Buffer[] = []
  let bytes = 0
  const take = (piece: Buffer): void => {
    bytes += piece.length
    if (bytes > MAX_SECRET_BYTES) throw new UsageError('That is longer than any token.')
    pieces.push(piece)
  }
  if (!stdin.isTTY) {
    for await (const piece of stdin) take(Buffer.from(piece))
    return Buffer.concat(pieces).toString().trim()
  }
  // First: whoever types at the sight of the prompt must not be shown.
  stdin.setRawMode(true)
  process.stderr.write(prompt)
  try {
    for await (const keys of stdin) {
      const typed = Buffer.from(keys)
      if (typed.includes(CTRL_C) || typed.includes(CTRL_D)) throw new UsageError('Nothing was stored.')
      const end = typed.findIndex((key) => key === ENTER || key === LINE_END)
      take(end === -1 ? typed : typed.subarray(0, end))
      if (end !== -1) break
    }
  } finally {
    stdin.setRawMode(false)
    process.stderr.write('\n')
  }
  return typedText(Buffer.concat(pieces).toString()).trim()
}

/** What is left of a line after its backspaces. */
function typedText(keys: string): string {
  const kept: string[] = []
  for (const key of keys) {
    if (key === '\u007f' || key === '\b') kept.pop()
    else kept.push(key)
  }
  return kept.join('')
}

/** Calls back at each SIGINT until the answer is called. */
export function onSignal(handler: () => void): () => void {
  process.on('SIGINT', handler)
  return () => process.removeListener('SIGINT', handler)
}

/**
 * The same for Ctrl-C and Ctrl-D on a terminal whose keys are read here, so that no signal goes to the programs around
 * this one: they would take the third Ctrl-C of a long session for a wish to end at once.
 */
export function onKey(handler: () => void): () => void {
  const { stdin } = process
  const onData = (keys: Buffer): void => {
    for (const key of keys) if (key === CTRL_C || key === CTRL_D) handler()
  }
  stdin.setRawMode(true)
  stdin.on('data', onData)
  stdin.resume()
  const stopSignal = onSignal(handler)
  return () => {
    stopSignal()
    stdin.removeListener('data', onData)
    stdin.setRawMode(false)
    stdin.pause()
  }
}

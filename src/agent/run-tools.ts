/**
 * Runs the tool calls of one reply. A call that has a result is not run again; a call that was started goes on from what
 * it announced; read-only calls next to each other run at the same time, at most eight of them, the rest in order.
 */

import { deniedText } from '../approvals/denied-text.ts'
import type { Decided, PersonAsk } from '../approvals/person-ask.ts'
import { type FinishedCall, outputPartId } from '../db/turn/tool-calls.ts'
import type { JournalToolCall, JournalTurn } from '../db/turn/turns.ts'
import { deniedEvents } from '../events/denied-events.ts'
import type { NewEvent } from '../events/topics.ts'
import { INVALID_INPUT } from '../model/types.ts'
import type { ExecState } from '../sandbox/types.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { EVENT_OUTPUT_BYTES } from '../shared/event-bounds.ts'
import { commandEnd } from '../tools/command-end.ts'
import { findTool, parseToolInput } from '../tools/registry.ts'
import type { Tool, ToolContext, ToolResult } from '../tools/tool.ts'
import { knownPathOf } from '../tools/workspace-path.ts'
import { fitResults } from './fit-results.ts'
import type { Lane } from './lane.ts'

/** Read-only calls that run at the same time: each may hold a file or a search of its own, and a reply may hold hundreds. */
const MAX_PARALLEL_CALLS = 8

/** Stands for the result of a call that waits for a person. */
const WAITS = Symbol('waits for a person')

/** Returns the turn with every call finished, but for those that wait for a person and what comes after them. Throws what the lane's signal says, `sandbox_*`, `lease_lost`. */
export async function runTools(lane: Lane, turn: JournalTurn): Promise<JournalTurn> {
  const known = knownPaths(lane)
  const done = new Map<string, JournalToolCall>()
  const groups = groupCalls(lane, turn.toolCalls)
  for (const group of groups) {
    const settled = await Promise.allSettled(group.map((call) => runCall(lane, call, known)))
    const ended = settled.filter((entry) => entry.status === 'fulfilled').map((entry) => entry.value)
    const over = ended.filter((entry) => entry !== WAITS)
    const finished = withinWindow(lane, over, [...done.values(), ...turn.toolCalls])
    hitCrashPoint('tool.effect.before_record')
    const isLast = group === groups.at(-1) && finished.length === group.length
    await lane.journal.finishTools(finished, isLast ? turn : null)
    for (const entry of finished) {
      done.set(entry.call.toolUseId, {
        ...entry.call,
        status: 'finished',
        result: entry.result,
        isError: entry.isError,
      })
      const path = entry.isError ? null : knownPath(entry.call, lane.sandbox.root)
      if (path !== null) known.add(path)
    }
    const failed = settled.find((entry) => entry.status === 'rejected')
    if (failed) throw failed.reason
    // What comes after may build on what waits.
    if (finished.length < ended.length) break
  }
  return { ...turn, toolCalls: turn.toolCalls.map((call) => done.get(call.toolUseId) ?? call) }
}

/** The calls with results that the model's window holds, beside those that the same reply's other calls have. */
function withinWindow(
  lane: Lane,
  finished: readonly FinishedCall[],
  others: readonly JournalToolCall[],
): FinishedCall[] {
  const usedCharacters = others.reduce(
    (sum, call) => sum + (call.status === 'finished' ? (call.result?.length ?? 0) : 0),
    0,
  )
  const results = finished.map((entry) => entry.result)
  const fitting = fitResults(results, { profile: lane.profile, usedCharacters })
  return finished.map((entry, index) => ({ ...entry, result: fitting[index] ?? entry.result }))
}

function groupCalls(lane: Lane, calls: readonly JournalToolCall[]): JournalToolCall[][] {
  const groups: JournalToolCall[][] = []
  let parallel = false
  for (const call of calls) {
    if (call.status === 'finished') continue
    const readOnly = findTool(lane.tools, call.name)?.readOnly ?? true
    const last = groups.at(-1)
    if (readOnly && parallel && last !== undefined && last.length < MAX_PARALLEL_CALLS) last.push(call)
    else groups.push([call])
    parallel = readOnly
  }
  return groups
}

/** Paths that successful calls of this conversation have read or written. */
function knownPaths(lane: Lane): Set<string> {
  const known = new Set<string>()
  for (const turn of [...lane.earlier, ...lane.turns]) {
    for (const call of turn.toolCalls) {
      if (call.status !== 'finished' || call.isError) continue
      const path = knownPath(call, lane.sandbox.root)
      if (path !== null) known.add(path)
    }
  }
  return known
}

/** Inputs do not change, so each is parsed once while its turn is in memory, however often the conversation is gone through. */
const PARSED = new WeakMap<JournalToolCall, string | null>()

function knownPath(call: JournalToolCall, root: string): string | null {
  const parsed = PARSED.get(call)
  if (parsed !== undefined) return parsed
  const path = knownPathOf(call.name, JSON.parse(call.input), root)
  PARSED.set(call, path)
  return path
}

async function runCall(
  lane: Lane,
  call: JournalToolCall,
  known: ReadonlySet<string>,
): Promise<FinishedCall | typeof WAITS> {
  lane.signal.throwIfAborted()
  const startedAt = call.startedAt?.getTime() ?? Date.now()
  const result = await runTool(lane, call, known)
  if (result === WAITS) return WAITS
  const durationMs = Math.max(0, Date.now() - startedAt)
  const events = await eventsOf(lane, call, result)
  const plan = result.plan === undefined ? {} : { plan: result.plan }
  return { call, result: result.content, isError: result.isError, durationMs, events, ...plan }
}

async function runTool(
  lane: Lane,
  call: JournalToolCall,
  known: ReadonlySet<string>,
): Promise<ToolResult | typeof WAITS> {
  const tool = findTool(lane.tools, call.name)
  if (!tool) {
    const names = lane.tools.map((entry) => entry.definition.name).join(', ')
    return { content: `There is no tool ${call.name}; there are: ${names}.`, isError: true }
  }
  const input: unknown = JSON.parse(call.input)
  const invalid = invalidInputOf(input)
  if (invalid !== null) return { content: invalidInputMessage(call.name, invalid), isError: true }
  const parsed = parseToolInput(tool, input)
  if (!parsed.ok) return { content: parsed.message, isError: true }
  const ask = call.effect === null ? askOf(lane, tool, parsed.input) : null
  if (ask?.isDenied === true) return { content: deniedText(DENIED_BEFORE), isError: true }
  // Nobody is asked about a call that is not stored yet.
  if (ask !== null) await lane.journal.flush()
  const asked = ask === null ? null : await lane.people.ask(call, ask)
  if (asked?.kind === 'waits') return WAITS
  if (asked?.kind === 'refused') return { content: asked.message, isError: true }
  const decided = asked?.decided ?? null
  if (decided !== null && ask?.kind !== 'question' && decided.state !== 'approved')
    return { content: deniedText(decided), isError: true }
  const result = await tool.run(parsed.input, contextOf(lane, call, tool, { known, decided }))
  // The journal took half characters out of the input before the tool ran.
  return call.input.includes('\u{FFFD}') ? { ...result, content: `${result.content}\n${REPLACED_NOTE}` } : result
}

const REPLACED_NOTE =
  'Note: the input holds the character U+FFFD. It stands where an escape such as \\ud800 was half a character, which no file and no message can hold. To write the escape itself, double its backslash.'

function invalidInputOf(input: unknown): string | null {
  const text = typeof input === 'object' && input !== null && INVALID_INPUT in input ? input[INVALID_INPUT] : undefined
  return typeof text === 'string' ? text : null
}

function invalidInputMessage(name: string, text: string): string {
  return `Nothing was run: the input of this call of ${name} is not a JSON object, most likely for want of a backslash before a quotation mark. It was:\n${text}\nSend the call again with valid JSON.`
}

/** Said of what a person denied for the project. */
const DENIED_BEFORE = { state: 'denied', note: null } as const

/** A call that has begun was let through before. */
function askOf(lane: Lane, tool: Tool, input: unknown): PersonAsk | null {
  return (
    tool.asksPerson?.(input) ??
    lane.people.mustAsk({ toolName: tool.definition.name, isReadOnly: tool.readOnly, input })
  )
}

function contextOf(
  lane: Lane,
  call: JournalToolCall,
  tool: Tool,
  { known, decided }: { readonly known: ReadonlySet<string>; readonly decided: Decided | null },
): ToolContext {
  const scope = { ...lane.scope, turn: call.turn }
  return {
    toolUseId: call.toolUseId,
    taskId: lane.taskId,
    sandbox: lane.sandbox,
    services: lane.services,
    signal: lane.signal,
    knownPaths: known,
    begun: call.effect,
    decided,
    async begin(effect) {
      // Also when an earlier attempt announced it: the journal refuses an attempt that has lost its lease.
      if (!tool.readOnly) await lane.journal.startTool(call, effect)
      hitCrashPoint('tool.started.before_effect')
    },
    onProgress: () => lane.onProgress(),
    onOutput(offset, data) {
      const payload = {
        toolUseId: call.toolUseId,
        partId: outputPartId(call.toolUseId),
        offset,
        stream: 'stdout' as const,
        data: Buffer.from(data).toString('base64'),
      }
      if (!tool.readOnly) lane.publish({ type: 'output', scope, payload })
    },
  }
}

async function eventsOf(lane: Lane, call: JournalToolCall, result: ToolResult): Promise<NewEvent[]> {
  const scope = { ...lane.scope, turn: call.turn }
  const events: NewEvent[] = []
  if (result.exec) {
    events.push(await commandFinished(lane, call, result.exec))
    const denied = await lane.sandbox.denials(result.exec.startedAt)
    const by = { key: `${lane.taskId}:${call.toolUseId}`, command: commandOf(call), toolUseId: call.toolUseId }
    events.push(...deniedEvents(scope, denied, by))
    if (denied.length > 0) {
      const hosts = denied.map(({ host }) => host)
      await lane.people.onDenied({ turn: call.turn, command: by.command }, hosts)
    }
  }
  if (result.plan) {
    const { toolUseId } = call
    const key = `plan.updated:${lane.taskId}:${toolUseId}`
    events.push({ type: 'plan.updated', key, scope, payload: { toolUseId, items: result.plan } })
  }
  if (result.fileChange) {
    const key = `file.changed:${lane.taskId}:${call.toolUseId}`
    events.push({ type: 'file.changed', key, scope, payload: { ...result.fileChange, source: 'tool' } })
  }
  return events
}

function commandOf(call: JournalToolCall): string {
  const { command } = JSON.parse(call.input) as { command?: unknown }
  return typeof command === 'string' ? command : call.name
}

async function commandFinished(lane: Lane, call: JournalToolCall, exec: ExecState): Promise<NewEvent> {
  const size = { headBytes: EVENT_OUTPUT_BYTES, tailBytes: EVENT_OUTPUT_BYTES }
  const kept = exec.bytes === 0 ? null : await lane.sandbox.output(exec.execId, size)
  return {
    type: 'command.finished',
    key: `command.finished:${lane.taskId}:${call.toolUseId}`,
    scope: { ...lane.scope, turn: call.turn },
    payload: { toolUseId: call.toolUseId, partId: outputPartId(call.toolUseId), ...commandEnd(exec, kept) },
  }
}

/** Answers of the server as text for a terminal; whatever a project or a model wrote is cleaned. */

import type {
  CriteriaAnswer,
  CriteriaProposalsAnswer,
  DiffAnswer,
  EnvironmentAnswer,
  EvidenceAnswer,
  MemoryAnswer,
  ProjectContextAnswer,
  ServiceAnswer,
  SyncAnswer,
  TaskAnswer,
} from './answers.ts'
import { clean, cleanLine } from './clean-text.ts'
import { count, type Printer } from './printer.ts'

const MAX_FILES = 50
const MAX_ROWS = 100

/** The changed files, one a line, and their sum. */
export function showFiles(printer: Printer, { files, stat }: DiffAnswer): void {
  for (const file of files.slice(0, MAX_FILES)) {
    const size = file.binary ? 'binary' : `+${file.added} −${file.removed}`
    printer.note(`  ${file.kind.padEnd(7)} ${cleanLine(file.path)} ${size}`)
  }
  if (files.length > MAX_FILES) printer.note(`  … and ${files.length - MAX_FILES} more`)
  printer.note(`${stat.files} ${stat.files === 1 ? 'file' : 'files'} +${stat.added} −${stat.removed}`, 'bold')
}

/** The files, then the patch in the colours that people know. */
export function showDiff(printer: Printer, diff: DiffAnswer): void {
  showFiles(printer, diff)
  for (const line of clean(diff.patch).trimEnd().split('\n')) {
    if (line === '') printer.note('')
    else if (line.startsWith('+')) printer.note(line, 'green')
    else if (line.startsWith('-')) printer.note(line, 'red')
    else if (line.startsWith('@@')) printer.note(line, 'cyan')
    else if (line.startsWith('diff --git')) printer.note(line, 'bold')
    else printer.note(line)
  }
  if (diff.truncated) printer.note('(cut here; name a path to see less of it)', 'yellow')
}

/** The context as the model gets it. */
export function showContext(printer: Printer, { markdown, tokens, generatedAt, hash }: ProjectContextAnswer): void {
  printer.note(clean(markdown).trimEnd())
  printer.note(`${count(tokens)} tokens · made ${cleanLine(generatedAt)} · ${cleanLine(hash).slice(0, 12)}`, 'dim')
}

/** Services, one a line. */
export function showServices(printer: Printer, services: readonly ServiceAnswer[]): void {
  if (services.length === 0) printer.note('No services; /services start COMMAND starts one.')
  for (const { id, name, state, port, exitCode, reason } of services) {
    const where = port === null || state !== 'listening' ? '' : ` on port ${port}`
    const how = exitCode === null ? '' : ` (exit code ${exitCode})`
    printer.note(
      `  ${cleanLine(id)} ${state}${where}${how} ${cleanLine(name)}${reason === undefined ? '' : `: ${cleanLine(reason)}`}`,
    )
  }
}

/** What the project's commands run in, and where its set-up stands. */
export function showEnvironment(printer: Printer, environment: EnvironmentAnswer): void {
  const { network, setup, status, variables, toolchains } = environment
  const hosts = network.hosts.length === 0 ? '' : ` (${network.hosts.map((host) => cleanLine(host)).join(', ')})`
  printer.note(`version ${environment.version} · network: ${cleanLine(network.policy)}${hosts}`, 'bold')
  const how = status.fromCache ? ', restored from cache' : ''
  printer.note(`set-up: ${setup.enabled ? `${cleanLine(status.state)}${how}` : 'switched off'}`)
  for (const { name, command, source } of setup.commands) {
    printer.note(`  ${cleanLine(name)}: ${cleanLine(command)}${source === 'custom' ? ' (yours)' : ''}`)
  }
  for (const { name, value } of variables) printer.note(`  ${cleanLine(name)}=${cleanLine(value)}`)
  if (status.output !== undefined) printer.note(clean(status.output).trimEnd(), 'dim')
  for (const { name, version } of toolchains)
    printer.note(`  ${cleanLine(name).padEnd(10)} ${cleanLine(version)}`, 'dim')
}

/** What reviews look for. */
export function showCriteria(printer: Printer, criteria: CriteriaAnswer): void {
  const state = criteria.enabled ? `at most ${criteria.maxFixRounds} fix rounds` : 'reviews are switched off'
  printer.note(`version ${criteria.version} · ${state}`, 'bold')
  for (const { id, text, severity, enabled } of criteria.criteria) {
    printer.note(
      `  ${enabled ? '•' : '○'} ${cleanLine(id)} (${cleanLine(severity)}${enabled ? '' : ', off'})`,
      enabled ? 'cyan' : 'dim',
    )
    printer.note(`    ${cleanLine(text)}`)
  }
  for (const { name, command, enabled = true } of criteria.checks) {
    printer.note(
      `  check ${cleanLine(name)}: ${cleanLine(command)}${enabled ? '' : ' (off)'}`,
      enabled ? undefined : 'dim',
    )
  }
}

/** One line a check or command, what is missing, and which words of the last message nothing bears out. */
export function showEvidence(printer: Printer, { evidence, gaps, rows, claims, decisions = [] }: EvidenceAnswer): void {
  printer.note(cleanLine(evidence), 'bold')
  for (const { by, name, command = '', status, exitCode, durationMs, reason } of rows.slice(-MAX_ROWS)) {
    const what = name === undefined ? cleanLine(command) : `${cleanLine(name)}: ${cleanLine(command)}`
    const how = [
      cleanLine(status).replaceAll('_', ' '),
      ...(exitCode === undefined ? [] : [`exit code ${exitCode}`]),
      ...(durationMs === undefined ? [] : [`${(durationMs / 1000).toFixed(1)} s`]),
      ...(reason === undefined ? [] : [cleanLine(reason)]),
    ]
    printer.note(`  ${cleanLine(by).padEnd(8)} ${what.slice(0, 120)} · ${how.join(', ')}`)
  }
  for (const { title, status, answer, note, by, decidedAt } of decisions) {
    const who = by === undefined ? '' : ` by ${cleanLine(by)}`
    const words = [answer, note].flatMap((text) => (text === undefined ? [] : [`: ${cleanLine(text)}`])).join('')
    printer.note(
      `  person   ${cleanLine(title)} · ${cleanLine(status)}${who}, ${decidedAt.slice(0, 16).replace('T', ' ')} UTC${words}`,
    )
  }
  for (const { name, reason } of gaps) printer.note(`  missing: ${cleanLine(name)}: ${cleanLine(reason)}`, 'yellow')
  for (const { text, mark, reason } of claims) {
    const why = reason === undefined ? '' : ` (${cleanLine(reason)})`
    printer.note(
      `  ${mark === 'proven' ? '✓' : '?'} “${cleanLine(text)}”${why}`,
      mark === 'proven' ? 'green' : 'yellow',
    )
  }
}

/** What people's verdicts propose, and how a person decides. */
export function showProposals(printer: Printer, { items }: CriteriaProposalsAnswer): void {
  for (const { id, kind, criterion, reason } of items) {
    printer.note(`  proposed: ${cleanLine(kind)} ${cleanLine(criterion.id)} · ${cleanLine(reason)}`, 'yellow')
    printer.note(`    /criteria accept ${cleanLine(id)}, or /criteria decline ${cleanLine(id)}`, 'dim')
  }
}

/** What the project remembers, with the ids that `/forget` takes. */
export function showMemory(printer: Printer, { facts }: MemoryAnswer): void {
  if (facts.length === 0) printer.note('The project remembers nothing.')
  for (const { id, text } of facts) printer.note(`  ${cleanLine(id)}  ${cleanLine(text)}`)
}

const MAX_SHOWN_PATHS = 50

/** What a sync changed, and where marks are. */
export function showSync(printer: Printer, { status, commit, changed, conflicts }: SyncAnswer): void {
  if (status === 'up_to_date') return printer.note(`Nothing new came upstream (${cleanLine(commit.slice(0, 7))}).`)
  printer.note(
    `Synced with ${cleanLine(commit.slice(0, 7))}: ${changed.length} ${changed.length === 1 ? 'file' : 'files'} changed.`,
    'green',
  )
  for (const path of changed.slice(0, MAX_SHOWN_PATHS)) {
    printer.note(`  ${cleanLine(path)}${conflicts.includes(path) ? '  conflict marks' : ''}`)
  }
}

/** Tokens and dollars of a task, and of the project's last 30 days when the server knows them. */
export function showCost(
  printer: Printer,
  task: TaskAnswer,
  metrics: { readonly costUsd: number | null } | null,
): void {
  const { usage } = task
  const limit = typeof task.budget?.maxUsd === 'number' ? ` of at most $${task.budget.maxUsd}` : ''
  printer.note(`${cleanLine(task.id)} · ${cleanLine(task.model)} · ${task.turn} turns`, 'bold')
  printer.note(`  cost         ${dollars(task.costUsd)}${limit}`)
  printer.note(`  input        ${count(usage.inputTokens)} tokens`)
  printer.note(`  output       ${count(usage.outputTokens)} tokens`)
  printer.note(`  cache read   ${count(usage.cacheReadTokens)} tokens`)
  printer.note(`  cache write  ${count(usage.cacheWriteTokens)} tokens`)
  if (metrics !== null) printer.note(`  project, last 30 days: ${dollars(metrics.costUsd)}`, 'dim')
}

function dollars(costUsd: number | null): string {
  return costUsd === null ? 'unpriced' : `$${costUsd.toFixed(4)}`
}

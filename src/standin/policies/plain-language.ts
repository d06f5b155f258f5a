/**
 * Understands a handful of plain requests and really carries them out with the tools; says in one friendly message what
 * it is when it is asked for anything else.
 */

import {
  act,
  call,
  callsAfter,
  type Policy,
  type PolicyReply,
  type SeenCall,
  type SeenText,
  say,
  type TurnView,
} from '../policy.ts'

type PlainRequest =
  | { readonly kind: 'run'; readonly command: string }
  | { readonly kind: 'create'; readonly path: string; readonly content: string }
  | { readonly kind: 'show'; readonly path: string }
  | { readonly kind: 'list' }
  | { readonly kind: 'explain' }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }

const MAX_RENAMED_FILES = 20
const MAX_QUOTED_LINES = 20

const HELP = `I am a scripted demonstration: no language model reads your words, so I understand only a few requests.

You can ask me to:
- fix the failing tests (of the sample project)
- run COMMAND, for example: run node --version
- create FILE with TEXT
- show FILE, or list the files
- explain this project
- rename A to B (a file, or a name in the code)

To work with Claude instead, set ANTHROPIC_API_KEY and start again.`

const CANNOT_FIX = 'I am a scripted demonstration and cannot mend this; set ANTHROPIC_API_KEY to let Claude do it.'

/** Does what plain requests ask (see {@link HELP}), and approves what it reviews. */
export const plainLanguagePolicy: Policy = (view) => {
  if (view.lane === 'reviewer') return approvePlainly(view)
  return answerInOrder(view, (seen) => {
    const request = understand(seen.text)
    return request && respond(request, callsAfter(view, seen.messageIndex))
  })
}

/**
 * Works through what was asked since the agent was last idle, steering included, one after the other. `answer` gives
 * null for a text that it does not understand; such texts are passed over when any other is understood.
 */
export function answerInOrder(view: TurnView, answer: (seen: SeenText) => PolicyReply | null): PolicyReply {
  const start = view.texts.findLastIndex((seen) => !seen.steering)
  const first = view.texts[start]?.messageIndex
  const finished: string[] = []
  for (const seen of view.texts.filter((text) => first !== undefined && text.messageIndex >= first)) {
    const reply = answer(seen)
    if (reply === null) continue
    if (reply.blocks.some((block) => block.type === 'tool_use')) return reply
    finished.push(reply.blocks.map((block) => (block.type === 'text' ? block.text : '')).join('\n'))
  }
  if (finished.length > 0) return say(finished.join('\n\n'))
  return say(/^(Review round|Checks failed)/.test(view.texts.at(-1)?.text ?? '') ? CANNOT_FIX : HELP)
}

/** A review of what the demonstration itself wrote: says plainly that nobody judged it. */
export function approvePlainly(view: TurnView): PolicyReply {
  if (view.calls.some((seen) => seen.name === 'submit_review' && !seen.isError)) return say('The review is submitted.')
  const summary = 'Scripted demonstration: the checks decide here, no language model judged this change.'
  return { blocks: [call('submit_review', { verdict: 'APPROVED', summary, findings: [] })] }
}

/** Null for what is none of the requests. Quotes and backticks around a command, path or name are taken off. */
export function understand(text: string): PlainRequest | null {
  const plain = text.trim().replace(/^(please|can you|could you|now)[,\s]+/i, '')
  const create =
    /^(?:create|write|add)\s+(?:a\s+|the\s+)?(?:new\s+)?(?:file\s+)?(\S+)\s+(?:with|containing)(?:\s+the\s+(?:text|content))?:?\s+([\s\S]+)$/i.exec(
      plain,
    )
  if (create) return { kind: 'create', path: bare(create[1]), content: contentOf(create[2]) }
  const run = /^(?:run|execute)\s+(?:the\s+command\s+)?([\s\S]+)$/i.exec(plain)
  if (run && !/^(the\s+)?tests?\.?$/i.test(run[1] ?? '')) return { kind: 'run', command: bare(run[1]) }
  if (run) return { kind: 'run', command: 'npm test' }
  const rename = /^rename\s+(?:the\s+\w+\s+)?(\S+)\s+(?:to|into)\s+(\S+?)\.?$/i.exec(plain)
  if (rename) return { kind: 'rename', from: bare(rename[1]), to: bare(rename[2]) }
  const show = /^(?:show|read|open|cat)\s+(?:me\s+)?(?:the\s+)?(?:file\s+)?(\S+)$/i.exec(plain)
  if (show && /[./]/.test(show[1] ?? '')) return { kind: 'show', path: bare(show[1]) }
  if (/^(list|show)\s+(me\s+)?(all\s+)?(the\s+)?files/i.test(plain)) return { kind: 'list' }
  if (/\b(explain|describe|summari[sz]e)\b|what (is|does) (this|the) (project|code|repo)/i.test(plain)) {
    return { kind: 'explain' }
  }
  return null
}

/** The next step of a request that was understood, from the calls made since. */
export function respond(request: PlainRequest, calls: readonly SeenCall[]): PolicyReply {
  switch (request.kind) {
    case 'run':
      return run(request.command, calls)
    case 'create':
      return create(request.path, request.content, calls)
    case 'show':
      return show(request.path, calls)
    case 'list':
      return list(calls)
    case 'explain':
      return explain(calls)
    case 'rename':
      return isPath(request.from) ? move(request.from, request.to, calls) : rename(request.from, request.to, calls)
  }
}

function run(command: string, calls: readonly SeenCall[]): PolicyReply {
  const done = calls.find((seen) => seen.name === 'bash' && seen.input['command'] === command)
  if (!done) return act(`I will run \`${command}\`.`, call('bash', { command }))
  return say(`\`${command}\` ${done.isError ? 'did not succeed' : 'has run'}. ${quoted(done.result)}`)
}

function create(path: string, content: string, calls: readonly SeenCall[]): PolicyReply {
  const done = calls.find((seen) => seen.name === 'write' && seen.input['file_path'] === path)
  if (!done) return act(`I will create \`${path}\`.`, call('write', { file_path: path, content }))
  return say(done.isError ? `\`${path}\` could not be written. ${quoted(done.result)}` : `Created \`${path}\`.`)
}

function show(path: string, calls: readonly SeenCall[]): PolicyReply {
  const done = calls.find((seen) => seen.name === 'read' && seen.input['file_path'] === path)
  if (!done) return act(`I will read \`${path}\`.`, call('read', { file_path: path }))
  return say(`\`${path}\`: ${quoted(withoutNumbers(done.result))}`)
}

function list(calls: readonly SeenCall[]): PolicyReply {
  const done = calls.find((seen) => seen.name === 'glob')
  if (!done) return act('I will list the files.', call('glob', { pattern: '**/*' }))
  return say(`The files: ${quoted(done.result)}`)
}

function explain(calls: readonly SeenCall[]): PolicyReply {
  const readme = calls.find((seen) => seen.name === 'read' && seen.input['file_path'] === 'README.md')
  const files = calls.find((seen) => seen.name === 'glob')
  if (!readme || !files) {
    return act(
      'I will look at the files and the README.',
      call('glob', { pattern: '**/*' }),
      call('read', { file_path: 'README.md' }),
      call('read', { file_path: 'package.json' }),
    )
  }
  const count = files.result.split('\n').filter((line) => /^[^(]/.test(line)).length
  const intro = readme.isError ? 'It has no README.' : introOf(withoutNumbers(readme.result))
  const manifest = calls.find((seen) => seen.name === 'read' && seen.input['file_path'] === 'package.json')
  const test = /"test":\s*"([^"]+)"/.exec(manifest?.result ?? '')?.[1]
  const testing = test === undefined ? '' : ` Its tests run with \`${test}\`.`
  return say(
    `${intro}\n\nI found about ${count} files.${testing}\n\nThis is what the files say; a real model would say more.`,
  )
}

function move(from: string, to: string, calls: readonly SeenCall[]): PolicyReply {
  const folder = to.includes('/') ? `mkdir -p -- ${shell(to.slice(0, to.lastIndexOf('/')))} && ` : ''
  const command = `test ! -e ${shell(to)} && ${folder}mv -- ${shell(from)} ${shell(to)}`
  const done = calls.find((seen) => seen.name === 'bash' && seen.input['command'] === command)
  if (!done) return act(`I will rename \`${from}\` to \`${to}\`.`, call('bash', { command }))
  const failed = done.isError || /exit(ed)?( with)?( code)?:? [1-9]/i.test(done.result)
  return say(failed ? `\`${from}\` could not be renamed. ${quoted(done.result)}` : `Renamed \`${from}\` to \`${to}\`.`)
}

/** A name in the code: finds the files, reads each, then replaces it in all of them. */
function rename(from: string, to: string, calls: readonly SeenCall[]): PolicyReply {
  const found = calls.find((seen) => seen.name === 'grep')
  if (!found) return act(`I will look for \`${from}\`.`, call('grep', { pattern: `\\b${escapePattern(from)}\\b` }))
  const paths = pathsOf(found.result)
  if (found.isError || paths.length === 0) return say(`I found no \`${from}\` in the project.`)
  const edits = calls.filter((seen) => seen.name === 'edit')
  if (edits.length > 0) {
    const failed = edits.filter((seen) => seen.isError).length
    const note = failed === 0 ? '' : ` ${failed} could not be changed.`
    return say(`Renamed \`${from}\` to \`${to}\` in ${edits.length - failed} files.${note}`)
  }
  if (!calls.some((seen) => seen.name === 'read')) {
    return act(
      `\`${from}\` stands in ${paths.length} files.`,
      ...paths.map((path) => call('read', { file_path: path })),
    )
  }
  return act(
    `I will put \`${to}\` in its place.`,
    ...paths.map((path) => call('edit', { file_path: path, old_string: from, new_string: to, replace_all: true })),
  )
}

function pathsOf(result: string): readonly string[] {
  const paths = new Set<string>()
  for (const line of result.split('\n')) {
    const path = /^([^\s:][^:]*):\d+/.exec(line)?.[1] ?? (/^[\w./-]+\.\w+$/.test(line.trim()) ? line.trim() : undefined)
    if (path !== undefined) paths.add(path)
  }
  return [...paths].slice(0, MAX_RENAMED_FILES)
}

function isPath(name: string): boolean {
  return /[/]|\.\w+$/.test(name)
}

function bare(text: string | undefined): string {
  const trimmed = (text ?? '').trim()
  const quotedText = /^(["'`])([\s\S]*)\1\.?$/.exec(trimmed)?.[2]
  return quotedText ?? trimmed
}

function contentOf(text: string | undefined): string {
  const fenced = /^```\w*\n([\s\S]*?)\n?```$/.exec((text ?? '').trim())?.[1]
  const content = fenced ?? bare(text)
  return content.endsWith('\n') ? content : `${content}\n`
}

function introOf(readme: string): string {
  const paragraphs = readme.split(/\n\s*\n/).map((part) => part.trim())
  const title = paragraphs
    .find((part) => part.startsWith('#'))
    ?.split('\n')[0]
    ?.replace(/^#+\s*/, '')
  const first = paragraphs.find((part) => part !== '' && !part.startsWith('#') && !part.startsWith('```'))
  return [title === undefined ? '' : `**${title}**`, first ?? ''].filter((part) => part !== '').join(': ')
}

/** The read tool puts a number before each line. */
function withoutNumbers(text: string): string {
  return text.replace(/^ *\d+(?:\t|→|: |\| ?)/gm, '')
}

function quoted(text: string): string {
  const lines = text.trimEnd().split('\n')
  const shown = lines.slice(-MAX_QUOTED_LINES)
  const cut = lines.length > shown.length ? ` (the last ${shown.length} of ${lines.length} lines)` : ''
  return text.trim() === '' ? 'It printed nothing.' : `It says${cut}:\n\n\`\`\`\n${shown.join('\n')}\n\`\`\``
}

function shell(word: string): string {
  return /^[\w./-]+$/.test(word) && !word.startsWith('-') ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

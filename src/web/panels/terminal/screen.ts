import { FitAddon } from '@xterm/addon-fit'
import { SearchAddon } from '@xterm/addon-search'
import { type IMarker, Terminal } from '@xterm/xterm'
import '@xterm/xterm/css/xterm.css'
import type { CommandView } from '../../state.ts'
import { nextStep, type ShownCommand } from './terminal-log.ts'

const SCROLLBACK_LINES = 20_000

/** Where a screen's colours come from. */
export interface ScreenTheme {
  readonly background: string
  readonly foreground: string
  readonly selectionBackground: string
}

/**
 * A terminal that only shows. What a program can ask of a real one is refused: links and clipboard (OSC 8, 52), titles,
 * notifications, colour changes, and every query, so that no byte of a command's output leads to an answer or an act.
 */
export class Screen {
  readonly #terminal: Terminal
  readonly #fit = new FitAddon()
  readonly #search = new SearchAddon()
  #taskId: string | null = null
  #shown: readonly ShownCommand[] = []
  #marks = new Map<string, IMarker>()

  constructor(host: HTMLElement, theme: ScreenTheme) {
    this.#terminal = new Terminal({
      allowProposedApi: true,
      convertEol: true,
      cursorBlink: false,
      cursorInactiveStyle: 'none',
      disableStdin: true,
      fontFamily: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace',
      fontSize: 12,
      linkHandler: { activate: () => undefined },
      minimumContrastRatio: 4.5,
      screenReaderMode: true,
      scrollback: SCROLLBACK_LINES,
      theme: { ...theme, cursor: theme.background },
    })
    refuseRequests(this.#terminal)
    this.#terminal.loadAddon(this.#fit)
    this.#terminal.loadAddon(this.#search)
    this.#terminal.open(host)
    this.fit()
  }

  /** Shows these commands of this task; writes only what is new. */
  show(taskId: string | null, commands: readonly CommandView[]): void {
    if (taskId !== this.#taskId) this.#clear()
    this.#taskId = taskId
    let step = nextStep(this.#shown, commands)
    if (step === null) {
      this.#clear()
      step = nextStep([], commands)
    }
    if (step === null) return
    for (const { starts, data } of step.writes) {
      // Writes are queued; this one is called back when the cursor is where the next one begins.
      if (starts !== null) this.#terminal.write('', () => this.#marks.set(starts, this.#terminal.registerMarker(0)))
      this.#terminal.write(data)
    }
    this.#shown = step.shown
  }

  #clear(): void {
    this.#terminal.reset()
    this.#shown = []
    this.#marks = new Map()
  }

  /** Brings a command's first line to the top; false when it is not, or no longer, on the screen. */
  jumpTo(toolUseId: string): boolean {
    const mark = this.#marks.get(toolUseId)
    if (mark === undefined || mark.isDisposed) return false
    this.#terminal.scrollToLine(mark.line)
    return true
  }

  /** Selects the next or previous place of a text; false when there is none. */
  find(text: string, direction: 'next' | 'previous'): boolean {
    if (text === '') {
      this.#terminal.clearSelection()
      return true
    }
    return direction === 'next' ? this.#search.findNext(text) : this.#search.findPrevious(text)
  }

  setTheme(theme: ScreenTheme): void {
    this.#terminal.options.theme = { ...theme, cursor: theme.background }
  }

  /** Takes the size of its host; a hidden host has none and changes nothing. */
  fit(): void {
    const size = this.#fit.proposeDimensions()
    if (size !== undefined && size.cols > 1 && size.rows > 0) this.#terminal.resize(size.cols, size.rows)
  }

  dispose(): void {
    this.#terminal.dispose()
  }
}

const OSC_CODES = [0, 1, 2, 4, 7, 8, 9, 10, 11, 12, 50, 52, 99, 104, 110, 111, 112, 133, 633, 777, 1337]
const DEVICE_REQUESTS = [
  { final: 'c' },
  { prefix: '>', final: 'c' },
  { prefix: '=', final: 'c' },
  { final: 'n' },
  { prefix: '?', final: 'n' },
  { final: 't' },
  { prefix: '>', final: 'q' },
  { intermediates: '$', final: 'p' },
  { prefix: '?', intermediates: '$', final: 'p' },
  { final: 'x' },
] as const

function refuseRequests(terminal: Terminal): void {
  for (const code of OSC_CODES) terminal.parser.registerOscHandler(code, () => true)
  for (const id of DEVICE_REQUESTS) terminal.parser.registerCsiHandler(id, () => true)
  for (const intermediates of ['$', '+']) {
    terminal.parser.registerDcsHandler({ intermediates, final: 'q' }, () => true)
  }
}

/** What the palette offers, and which of it fits what is typed; pure. */

export interface PaletteCommand {
  readonly id: string
  readonly label: string
  /** Where it belongs: "Go to", "Project". */
  readonly group: string
  readonly shortcut?: string
  readonly run: () => void
}

const MAX_SHOWN = 12

/** Commands whose words hold all typed words, those that begin with the first of them first. */
export function matchCommands(commands: readonly PaletteCommand[], typed: string): readonly PaletteCommand[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean)
  const text = (command: PaletteCommand): string => `${command.group} ${command.label}`.toLowerCase()
  const rank = (command: PaletteCommand): number => (command.label.toLowerCase().startsWith(words[0] ?? '') ? 0 : 1)
  return commands
    .filter((command) => words.every((word) => text(command).includes(word)))
    .toSorted((a, b) => rank(a) - rank(b))
    .slice(0, MAX_SHOWN)
}

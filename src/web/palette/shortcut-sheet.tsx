import { Dialog } from '../ui/dialog.tsx'

const SHORTCUTS: readonly (readonly [string, string])[] = [
  ['Ctrl K', 'Go to anything, do anything'],
  ['Enter', 'Send the message'],
  ['Shift Enter', 'New line'],
  ['Esc Esc', 'Stop the task (while writing)'],
  ['Up', 'Take back a message that could not be sent'],
  ['@', 'Name a file of the project'],
  ['/', 'Go to where one writes'],
  ['Alt N', 'New conversation'],
  ['Alt 1 … 9', 'Changes, Terminal, Files, Context, Review, Checkpoints, Metrics, Environment, Preview'],
  ['Alt Up, Alt Down', 'From call to call in the thread'],
  ['?', 'This list'],
]

/** All shortcuts; on a Mac the Command key does what Ctrl does. */
export default function ShortcutSheet({ onClose }: { onClose: () => void }) {
  return (
    <Dialog isOpen onClose={onClose} title="Keyboard shortcuts">
      <dl className="flex flex-col gap-2 text-sm">
        {SHORTCUTS.map(([keys, meaning]) => (
          <div key={keys} className="flex gap-3">
            <dt className="w-32 shrink-0">
              <kbd className="rounded border border-line-strong bg-sunken px-1.5 py-0.5 font-sans text-xs">{keys}</kbd>
            </dt>
            <dd className="text-muted">{meaning}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}

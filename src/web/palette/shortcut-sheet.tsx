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

const REVIEWING: readonly (readonly [string, string])[] = [
  ['j, k', 'Next file, the one before'],
  ['n, p', 'Next finding, the one before'],
  ['v', 'Viewed, and on to the next file'],
  ['o', 'Open or close the file'],
  ['l', 'To the changed lines; Up and Down go from line to line'],
  ['c', 'Comment on the line; Ctrl Enter sends'],
]

/** All shortcuts; on a Mac the Command key does what Ctrl does. */
export default function ShortcutSheet({ onClose }: { onClose: () => void }) {
  return (
    <Dialog isOpen onClose={onClose} title="Keyboard shortcuts">
      <Keys keys={SHORTCUTS} />
      <h3 className="mt-4 mb-2 text-sm font-semibold">While Changes is open</h3>
      <Keys keys={REVIEWING} />
    </Dialog>
  )
}

function Keys({ keys }: { keys: readonly (readonly [string, string])[] }) {
  return (
    <dl className="flex flex-col gap-2 text-sm">
      {keys.map(([names, meaning]) => (
        <div key={names} className="flex gap-3">
          <dt className="w-32 shrink-0">
            <kbd className="rounded border border-line-strong bg-sunken px-1.5 py-0.5 font-sans text-xs">{names}</kbd>
          </dt>
          <dd className="text-muted">{meaning}</dd>
        </div>
      ))}
    </dl>
  )
}

import { FlaskConical, MessageCircleQuestion, Wand2 } from 'lucide-react'
import type { ReactNode } from 'react'
import { useView } from '../store/use-view.ts'

const SAMPLE: readonly { title: string; hint: string; message: string; icon: ReactNode }[] = [
  {
    title: 'Fix the failing test',
    hint: 'Runs the tests, finds the bug, mends it, has it reviewed',
    message: 'Find out why a test fails and fix the bug.',
    icon: <FlaskConical />,
  },
  {
    title: 'Explain this project',
    hint: 'Reads it and tells what it does; changes nothing',
    message: 'Explain this project',
    icon: <MessageCircleQuestion />,
  },
  {
    title: 'Write a CONTRIBUTING.md',
    hint: 'A small new file, reviewed like every change',
    message: 'Create a file CONTRIBUTING.md with "Run npm test before each commit."',
    icon: <Wand2 />,
  },
]

const OWN: typeof SAMPLE = [
  {
    title: 'Explain this project',
    hint: 'What it does and how it is built',
    message: 'Explain this project: what it does, how it is built, where to begin reading.',
    icon: <MessageCircleQuestion />,
  },
  {
    title: 'Run the checks',
    hint: 'Tests, types, lint, and what fails',
    message: "Run this project's tests and checks and tell me what fails and why. Do not change anything yet.",
    icon: <FlaskConical />,
  },
  {
    title: 'Find something to mend',
    hint: 'The smallest improvement that matters',
    message: 'Find the smallest improvement that really matters here, make it, and show that it works.',
    icon: <Wand2 />,
  },
]

/** The beginning of a conversation: what can be asked, one click each. */
export function Welcome({ onAsk }: { onAsk: (message: string) => void }) {
  const isSample = useView((state) => state.project?.source.kind === 'sample')
  const isEmpty = useView((state) => state.project?.source.kind === 'empty')
  return (
    <div className="mx-auto w-full max-w-2xl px-4 py-8">
      <h2 className="text-xl font-semibold tracking-tight">What should be done?</h2>
      <p className="mt-1 text-muted">
        {isSample
          ? 'This is a small library with a real bug in it. One click, and you see the agent read, run, mend and be reviewed.'
          : 'The agent reads, runs and edits in a sandbox. Every change is checked and reviewed before you see “approved”.'}
      </p>
      {!isEmpty && (
        <ul className="mt-5 grid gap-2 sm:grid-cols-3">
          {(isSample ? SAMPLE : OWN).map(({ title, hint, message, icon }) => (
            <li key={title} className="flex">
              <button
                type="button"
                onClick={() => onAsk(message)}
                className="flex flex-1 flex-col items-start gap-1 rounded-xl border border-line bg-surface p-3.5 text-left transition-colors hover:border-accent hover:bg-accent-soft [&>svg]:size-4 [&>svg]:text-accent"
              >
                {icon}
                <span className="mt-1 font-medium">{title}</span>
                <span className="text-sm text-muted">{hint}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

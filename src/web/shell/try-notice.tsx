import { goTo } from '../routing/use-route.ts'
import { Button } from '../ui/button.tsx'

/** Stands where one would write, in the project of a try: it takes no messages, and the project that it is for is a click away. */
export function TryNotice({ projectId }: { readonly projectId: string }) {
  return (
    <div className="shrink-0 px-3 pb-3">
      <section
        aria-label="About this try"
        className="mx-auto flex w-full max-w-3xl flex-wrap items-center justify-between gap-2 rounded-2xl border border-line bg-surface px-4 py-3 text-sm"
      >
        <p className="text-muted">This is a try at a task of another project. It takes no messages of its own.</p>
        <Button size="small" onClick={() => goTo({ projectId, conversationId: null, target: null })}>
          Go to the project
        </Button>
      </section>
    </div>
  )
}

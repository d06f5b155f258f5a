import { AppError } from '../shared/errors.ts'
import type { SandboxKind, SandboxProvider } from './types.ts'

/** All providers of one process behind the interface of one; the first is what projects get that name none. */
export interface SandboxProviders extends SandboxProvider {
  readonly kinds: readonly SandboxKind[]
  /** Throws `sandbox_unavailable` with what to do when this process has no such provider. */
  of(kind: SandboxKind): SandboxProvider
}

const WAY_OUT: Readonly<Record<SandboxKind, string>> = {
  'local-bwrap': 'install bubblewrap on Linux and restart',
  e2b: 'set E2B_API_KEY and restart the server and the worker',
  'unsafe-host': 'set SANDBOX_PROVIDER=unsafe-host and KEELSON_UNSAFE_HOST=1 (no isolation)',
}

/** How to get a provider that is not set up, for a person. */
export function wayOutFor(kind: SandboxKind): string {
  return WAY_OUT[kind]
}

/** Joins providers of different kinds; each call goes to the one that the ref or the spec names. */
export function joinProviders(first: SandboxProvider, others: readonly SandboxProvider[]): SandboxProviders {
  const all = [first, ...others]
  const of = (kind: SandboxKind): SandboxProvider => {
    const found = all.find((provider) => provider.kind === kind)
    if (found) return found
    throw new AppError(
      'sandbox_unavailable',
      `This project uses ${kind}, which is not set up here: ${wayOutFor(kind)}.`,
    )
  }
  return {
    kind: first.kind,
    kinds: all.map((provider) => provider.kind),
    of,
    probe: () => first.probe(),
    ensure: async (spec) => await of(spec.kind ?? spec.existing?.kind ?? first.kind).ensure(spec),
    open: async (ref) => await of(ref.kind).open(ref),
    async *list() {
      for (const provider of all) yield* provider.list()
    },
    destroy: async (ref) => await of(ref.kind).destroy(ref),
    async prune(olderThanMs, unfinished) {
      let removed = 0
      for (const provider of all) removed += await provider.prune(olderThanMs, unfinished)
      return removed
    },
    async close() {
      for (const provider of all) await provider.close()
    },
  }
}

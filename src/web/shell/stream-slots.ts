/**
 * A browser allows about six connections to one origin over HTTP/1.1, all tabs together. A tab that is looked at always
 * has its stream; hidden ones share these few places, so that the tenth tab still gets its answers.
 */
const SLOTS = 2

/** A place for one stream; `release` gives it back, twice is harmless. */
export interface StreamSlot {
  release(): void
}

/** Takes a place for a hidden tab; null when none is free. Without the Locks API every tab has one. */
export async function takeStreamSlot(): Promise<StreamSlot | null> {
  if (!('locks' in navigator)) return { release: () => undefined }
  for (let slot = 0; slot < SLOTS; slot++) {
    const taken = await tryLock(`keelson.stream.${slot}`)
    if (taken !== null) return taken
  }
  return null
}

function tryLock(name: string): Promise<StreamSlot | null> {
  return new Promise((resolve) => {
    navigator.locks
      .request(name, { ifAvailable: true }, async (lock) => {
        if (lock === null) {
          resolve(null)
          return
        }
        await new Promise<void>((release) => resolve({ release }))
      })
      .catch(() => resolve(null))
  })
}

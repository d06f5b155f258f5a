/**
 * The same value with every lone surrogate, which is no Unicode text, replaced by U+FFFD; names of fields too. What holds
 * none comes back as it is, not as a copy. For JSON values; pure, twice is the same as once.
 */
export function wellFormed<T>(value: T): T {
  return replaceIn(value) as T
}

/** Objects that hold none, so that a long conversation, whose blocks nobody changes, is not read whole at each of its turns. */
const known = new WeakSet<object>()

function replaceIn(value: unknown): unknown {
  if (typeof value === 'string') return value.isWellFormed() ? value : value.toWellFormed()
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const items = value.map(replaceIn)
    return items.every((item, index) => item === value[index]) ? value : items
  }
  if (known.has(value)) return value
  const before = Object.entries(value)
  const after = before.map(([key, item]) => [key.toWellFormed(), replaceIn(item)] as const)
  const isSame = after.every(([key, item], index) => key === before[index]?.[0] && item === before[index]?.[1])
  if (!isSame) return Object.fromEntries(after)
  known.add(value)
  return value
}

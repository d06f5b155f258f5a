import { readdirSync, readFileSync } from 'node:fs'

const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4_096

export interface ProcessUse {
  readonly cpuMs: number
  readonly residentMiB: number
}

/** CPU time and memory of a process and all its descendants, from /proc (Linux). */
export function useOf(pid: number): ProcessUse {
  const children = childrenByParent()
  let cpuMs = 0
  let residentMiB = 0
  const todo = [pid]
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    todo.push(...(children.get(next) ?? []))
    const stat = readStat(next)
    if (!stat) continue
    cpuMs += ((stat.userTicks + stat.systemTicks + stat.waitedTicks) * 1_000) / TICKS_PER_SECOND
    residentMiB += (stat.residentPages * PAGE_BYTES) / 2 ** 20
  }
  return { cpuMs, residentMiB }
}

interface Stat {
  readonly parent: number
  readonly userTicks: number
  readonly systemTicks: number
  /** Of children that ended and were waited for. */
  readonly waitedTicks: number
  readonly residentPages: number
}

function readStat(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in parentheses, may hold spaces; the numbers begin behind it with field 3.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const field = (number: number) => Number(fields[number - 3] ?? 0)
    return {
      parent: field(4),
      userTicks: field(14),
      systemTicks: field(15),
      waitedTicks: field(16) + field(17),
      residentPages: field(24),
    }
  } catch {
    // The process ended between the listing and the read.
    return null
  }
}

function childrenByParent(): Map<number, number[]> {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = readStat(Number(name))?.parent
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  return children
}

import { readdirSync, readFileSync } from 'node:fs'
import type { CommandUser } from './command-user.ts'

/**
 * Makes this process an unprivileged user's, without a way back: no group, no capability, in each of its threads. With null
 * it stays who it is, but never root. To be called when all code is loaded and before anything is opened or started. Throws
 * when anything of root would be left; the process must then end.
 */
export function dropRights(user: CommandUser | null): void {
  if (user !== null && process.getuid?.() === 0) {
    process.setgroups?.([])
    process.setgid?.(user.gid)
    process.setuid?.(user.uid)
  }
  for (const thread of readdirSync('/proc/self/task')) checkThread(thread, user)
  if (canBecomeRoot()) throw new Error('this process could still become root')
}

/** `Uid:` and `Gid:` hold the real, effective, saved and file system number. */
function checkThread(thread: string, user: CommandUser | null): void {
  const status = readStatus(thread)
  if (status === null) return
  const numbers = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1]?.split(/\s+/) ?? []
  const ids = [...numbers('Uid'), ...numbers('Gid')]
  if (ids.length !== 8 || ids.slice(0, 4).includes('0')) throw new Error('the command runner must not run as root')
  if (user === null) return
  const isUser = ids.slice(0, 4).every((id) => id === String(user.uid))
  const isGroup = ids.slice(4).every((id) => id === String(user.gid))
  const groups = numbers('Groups').filter((id) => id !== '')
  const rights = ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'].filter((name) => !/^0+$/.test(numbers(name)[0] ?? ''))
  if (isUser && isGroup && groups.length === 0 && rights.length === 0) return
  throw new Error(`the command runner could not give up the rights of root (${rights.join(', ')})`)
}

function readStatus(thread: string): string | null {
  try {
    return readFileSync(`/proc/self/task/${thread}/status`, 'utf8')
  } catch {
    // A thread of the loader that has just ended.
    return null
  }
}

function canBecomeRoot(): boolean {
  try {
    process.setuid?.(0)
    return true
  } catch {
    // EPERM, as it must be.
    return false
  }
}

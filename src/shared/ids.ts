import { randomBytes } from 'node:crypto'

/** The first letters of an id, which say what it names. */
export type IdKind =
  | 'prj'
  | 'cnv'
  | 'msg'
  | 'tsk'
  | 'ckp'
  | 'fnd'
  | 'obx'
  | 'req'
  | 'prt'
  | 'fct'
  | 'rst'
  | 'wrk'
  | 'lck'
  | 'stp'
  | 'crd'
  | 'svc'
  | 'apr'
  | 'pub'
  | 'cmp'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/**
 * A new opaque id such as `tsk_01k9…`: 10 characters of time (so that ids sort by creation) and 12 of chance (60 bits).
 * Crockford base 32, lower case. Not for workflow code, which must be deterministic.
 */
export function newId(kind: IdKind, now: number = Date.now()): string {
  let time = ''
  for (let rest = now, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) time = ALPHABET.charAt(rest % 32) + time
  let chance = ''
  for (const byte of randomBytes(12)) chance += ALPHABET.charAt(byte % 32)
  return `${kind}_${time}${chance}`
}

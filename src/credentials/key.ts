import { hkdfSync, randomBytes } from 'node:crypto'
import { chmodSync } from 'node:fs'
import path from 'node:path'
import { writeOnce } from '../shared/write-once.ts'
import type { SealingKey } from './seal.ts'

const FILE = 'credentials.key'
const KEY_BYTES = 32

/**
 * The key of one installation: from the operator's text (`KEELSON_CREDENTIALS_KEY`), the same on every machine, or from a
 * file in the home that is made when it is first needed (mode 0600). Two processes that make it at once get the same one.
 * Throws what the file system says.
 */
export function openSealingKey(home: string, configured: string | undefined): SealingKey {
  const text = configured ?? keptText(path.join(home, FILE))
  return new Uint8Array(hkdfSync('sha256', text, '', 'keelson credentials', KEY_BYTES))
}

function keptText(file: string): string {
  const text = writeOnce(file, () => `${randomBytes(KEY_BYTES).toString('base64url')}\n`).trim()
  chmodSync(file, 0o600)
  // An empty key would seal with what everybody knows.
  if (text.length < KEY_BYTES) throw new Error(`${file} holds no key; remove it, and store the credentials again`)
  return text
}

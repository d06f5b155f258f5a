import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

/** 256 bits; made by `key.ts`, never written anywhere by those who hold it. */
export type SealingKey = Uint8Array

const CIPHER = 'aes-256-gcm'
const VERSION = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * Seals a secret by AES-256-GCM: version, nonce, tag, cipher text. `purpose` says whose it is and is bound in: what is moved
 * to another row cannot be opened there. Another result each time.
 */
export function sealSecret(key: SealingKey, secret: string, purpose: string): Uint8Array<ArrayBuffer> {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(purpose))
  const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
  return Uint8Array.from([VERSION, ...nonce, ...cipher.getAuthTag(), ...text])
}

/** The secret, or null when it was sealed with another key or for another purpose, or is damaged. Pure. */
export function openSecret(key: SealingKey, sealed: Uint8Array, purpose: string): string | null {
  if (sealed[0] !== VERSION || sealed.length < 1 + NONCE_BYTES + TAG_BYTES) return null
  const nonce = sealed.subarray(1, 1 + NONCE_BYTES)
  const tag = sealed.subarray(1 + NONCE_BYTES, 1 + NONCE_BYTES + TAG_BYTES)
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(purpose))
    .setAuthTag(tag)
  const text = decipher.update(sealed.subarray(1 + NONCE_BYTES + TAG_BYTES))
  try {
    return Buffer.concat([text, decipher.final()]).toString('utf8')
  } catch {
    // The tag does not fit: that is what it is there for.
    return null
  }
}

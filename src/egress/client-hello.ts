/**
 * The server name in a TLS connection's first message, so that a tunnel to one host is not used for another that the same
 * front serves. Sources: RFC 8446, sections 4.1.2 and 5.1; RFC 6066, section 3.
 */

/**
 * What the first bytes of a connection are. `more`: too few to say. `other`: no TLS. `tls`: with the name that the client
 * asks for, in lower case; null when it names none, or in a form that nobody needs.
 */
export type FirstBytes =
  | { readonly kind: 'more' }
  | { readonly kind: 'other' }
  | { readonly kind: 'tls'; readonly name: string | null }

const HANDSHAKE = 22
const CLIENT_HELLO = 1
const SERVER_NAME = 0
const HOST_NAME = 0
const RECORD_HEADER_BYTES = 5
/** Larger than any real one, keys of the new kinds and all. */
const MAX_HELLO_BYTES = 32 * 1024

/** Reads the first bytes that a client sent. Never throws, whatever they are. Pure. */
export function readFirstBytes(bytes: Buffer): FirstBytes {
  if (bytes.length === 0) return { kind: 'more' }
  if (bytes[0] !== HANDSHAKE || (bytes.length > 1 && bytes[1] !== 3)) return { kind: 'other' }
  const hello = helloOf(bytes)
  if (hello === 'more') return bytes.length > MAX_HELLO_BYTES ? { kind: 'other' } : { kind: 'more' }
  return hello === null ? { kind: 'other' } : { kind: 'tls', name: nameIn(hello) }
}

/** The body of the first handshake message, put together from its records; null when it is no ClientHello. */
function helloOf(bytes: Buffer): Buffer | 'more' | null {
  const pieces: Buffer[] = []
  for (let at = 0; ; ) {
    if (at + RECORD_HEADER_BYTES > bytes.length) return 'more'
    if (bytes[at] !== HANDSHAKE) return null
    const end = at + RECORD_HEADER_BYTES + bytes.readUInt16BE(at + 3)
    pieces.push(bytes.subarray(at + RECORD_HEADER_BYTES, Math.min(end, bytes.length)))
    const message = Buffer.concat(pieces)
    if (message.length > 0 && message[0] !== CLIENT_HELLO) return null
    if (message.length >= 4) {
      const length = message.readUIntBE(1, 3)
      if (length > MAX_HELLO_BYTES) return null
      if (message.length >= 4 + length) return message.subarray(4, 4 + length)
    }
    if (end > bytes.length) return 'more'
    at = end
  }
}

function nameIn(hello: Buffer): string | null {
  try {
    let at = 2 + 32
    at += 1 + hello.readUInt8(at)
    at += 2 + hello.readUInt16BE(at)
    at += 1 + hello.readUInt8(at)
    const end = at + 2 + hello.readUInt16BE(at)
    at += 2
    while (at + 4 <= end) {
      const [type, length] = [hello.readUInt16BE(at), hello.readUInt16BE(at + 2)]
      if (type === SERVER_NAME) return hostNameIn(hello.subarray(at + 4, at + 4 + length))
      at += 4 + length
    }
    return null
  } catch (error) {
    // A length that leads out of the message.
    if (error instanceof RangeError) return null
    throw error
  }
}

/** One name, and nothing beside it: several would leave open which one counts. */
function hostNameIn(extension: Buffer): string | null {
  const length = extension.readUInt16BE(3)
  const isAlone = extension.readUInt16BE(0) === length + 3 && extension.length === length + 5
  if (!isAlone || extension.readUInt8(2) !== HOST_NAME) return null
  const name = extension.toString('latin1', 5, 5 + length)
  return /^[A-Za-z0-9._-]+$/.test(name) ? name.toLowerCase().replace(/\.$/, '') : null
}

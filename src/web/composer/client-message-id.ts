/** An id that makes sending twice harmless; also where the page has no secure context and so no randomUUID. */
export function newClientMessageId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return `web-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}

/**
 * Headers that are for the next hop alone and are not passed on, in lower case: those of RFC 9110, section 7.6.1, with
 * `proxy-connection`, which old clients send. What a message's own `Connection` header names comes on top.
 */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** A link that may be offered: its address and the host that must be shown beside it. */
export interface SafeLink {
  readonly href: string
  readonly host: string
}

/** Only http, https and mailto, and never with a name and password, which are there to mislead. Null for the rest. */
export function safeLink(href: string): SafeLink | null {
  if (!URL.canParse(href)) return null
  const url = new URL(href)
  if (url.protocol === 'mailto:') return { href: url.href, host: url.pathname.slice(0, 100) }
  if ((url.protocol !== 'https:' && url.protocol !== 'http:') || url.username !== '' || url.password !== '') return null
  return { href: url.href, host: url.host }
}

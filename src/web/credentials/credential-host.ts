/** The host that a repository's address names, as credentials are stored for it; null while it is none. Pure. */
export function hostOfUrl(text: string): string | null {
  if (!URL.canParse(text)) return null
  const { protocol, host } = new URL(text)
  return protocol === 'https:' && host !== '' ? host : null
}

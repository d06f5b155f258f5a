/** What an npmrc says about registries. Source: docs.npmjs.com, npmrc, "Auth related configuration". */

export interface NpmAuth {
  /** Host, port when it is not the scheme's own, and path: `registry.example.com:8443/npm/`. */
  readonly place: string
  readonly authorization: string
}

/** Every `registry=` and `@scope:registry=` of an npmrc, as URLs. Pure. */
export function npmrcRegistries(text: string): string[] {
  return settings(text).flatMap(([key, value]) =>
    /^(@[^:]+:)?registry$/.test(key) && URL.canParse(value) ? [value] : [],
  )
}

/** The credentials of an npmrc, ready to be sent; `${NAME}` stands for a variable, as npm takes it. Pure. */
export function npmrcAuth(text: string, env: Readonly<Record<string, string | undefined>>): NpmAuth[] {
  const byPlace = new Map<string, Record<string, string>>()
  for (const [key, raw] of settings(text)) {
    const match = /^\/\/(.+?):(_authToken|_auth|username|_password)$/.exec(key)
    if (match === null) continue
    const [, place = '', name = ''] = match
    const value = raw.replace(/\$\{([^}]+)\}/g, (whole, variable: string) => env[variable] ?? whole)
    byPlace.set(place, { ...byPlace.get(place), [name]: value })
  }
  return [...byPlace].flatMap(([place, { _authToken: token, _auth: basic, username, _password: password }]) => {
    if (token !== undefined) return [{ place, authorization: `Bearer ${token}` }]
    if (basic !== undefined) return [{ place, authorization: `Basic ${basic}` }]
    if (username === undefined || password === undefined) return []
    const plain = `${username}:${Buffer.from(password, 'base64').toString()}`
    return [{ place, authorization: `Basic ${Buffer.from(plain).toString('base64')}` }]
  })
}

function settings(text: string): [string, string][] {
  return text.split(/\r?\n/).flatMap((line): [string, string][] => {
    const match = /^\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line)
    return match === null ? [] : [[match[1] ?? '', (match[2] ?? '').replace(/^"(.*)"$/, '$1')]]
  })
}

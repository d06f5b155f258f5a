const SECRET_NAMES =
  /^(?:\.env(?:\..+)?|\.netrc|\.npmrc|\.pypirc|\.pgpass|\.git-credentials|\.htpasswd|id_(?:rsa|dsa|ecdsa|ed25519)|credentials(?:\.json)?|secrets?\.(?:json|ya?ml|toml|env)|.+\.(?:pem|key|p12|pfx|jks|keystore))$/i
/** Files that show which variables there are, without their values. */
const EXAMPLES = /\.(?:example|sample|template|dist)$/i

/**
 * Whether a path is one where secrets are kept by convention (`.env`, private keys, stored credentials). Such a file is
 * named to a model, and its content is not shown unasked. Pure.
 */
export function isSecretPath(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1)
  return SECRET_NAMES.test(name) && !EXAMPLES.test(name)
}

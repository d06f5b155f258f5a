/** Where a command finds its way out, and what its tools must be told to take it. */

/** Inside the sandbox: nothing else listens here, since every command has a network of its own. */
export const PROXY_PORT = 3128
/** The file with the trusted certificates, as commands see it. */
export const CERTIFICATES = '/run/keelson/certificates.pem'
/** The same certificates for the JVM, which reads no PEM. */
export const TRUST_STORE = '/run/keelson/certificates.p12'

const PROXY_URL = `http://127.0.0.1:${PROXY_PORT}`
const LOCAL = 'localhost,127.0.0.1,::1,.localhost'
/** For build tools alone: a JVM that finds them in JAVA_TOOL_OPTIONS says so on standard error, where tests compare it. */
const JVM_OPTIONS = [
  ...['http', 'https'].flatMap((scheme) => [`-D${scheme}.proxyHost=127.0.0.1`, `-D${scheme}.proxyPort=${PROXY_PORT}`]),
  `-Djavax.net.ssl.trustStore=${TRUST_STORE}`,
  '-Djavax.net.ssl.trustStoreType=PKCS12',
  '-Djavax.net.ssl.trustStorePassword=changeit',
].join(' ')

/**
 * What makes the usual tools go through the proxy, trust its certificates and give up at once where it refuses. Both
 * cases of the proxy variables, since curl reads one and others the other; retries are few, since a refusal is final.
 */
export const NETWORK_ENV: Readonly<Record<string, string>> = {
  http_proxy: PROXY_URL,
  https_proxy: PROXY_URL,
  no_proxy: LOCAL,
  HTTP_PROXY: PROXY_URL,
  HTTPS_PROXY: PROXY_URL,
  NO_PROXY: LOCAL,
  NODE_USE_ENV_PROXY: '1',
  GLOBAL_AGENT_HTTP_PROXY: PROXY_URL,
  GLOBAL_AGENT_HTTPS_PROXY: PROXY_URL,
  ELECTRON_GET_USE_PROXY: '1',
  YARN_HTTP_PROXY: PROXY_URL,
  YARN_HTTPS_PROXY: PROXY_URL,
  YARN_HTTP_RETRY: '1',
  YARN_ENABLE_TELEMETRY: '0',
  npm_config_fetch_retries: '1',
  npm_config_fetch_retry_mintimeout: '100',
  npm_config_cafile: CERTIFICATES,
  PIP_RETRIES: '1',
  PIP_CERT: CERTIFICATES,
  UV_HTTP_RETRIES: '1',
  UV_PYTHON_DOWNLOADS: 'never',
  CARGO_NET_RETRY: '1',
  CARGO_HTTP_CAINFO: CERTIFICATES,
  NODE_EXTRA_CA_CERTS: CERTIFICATES,
  SSL_CERT_FILE: CERTIFICATES,
  REQUESTS_CA_BUNDLE: CERTIFICATES,
  CURL_CA_BUNDLE: CERTIFICATES,
  GIT_SSL_CAINFO: CERTIFICATES,
  BUNDLE_SSL_CA_CERT: CERTIFICATES,
  MAVEN_OPTS: JVM_OPTIONS,
  MAVEN_ARGS: '-Daether.connector.http.useSystemProperties=true',
  GRADLE_OPTS: JVM_OPTIONS,
  COREPACK_ENABLE_DOWNLOAD_PROMPT: '0',
  COREPACK_ENABLE_AUTO_PIN: '0',
}

/** Below the home directory of commands: what they download, kept for a project over its sandboxes and tasks. */
export const CACHE_DIR = '.cache'
/** In it: what Maven keeps, which it looks for as `.m2` in the home. */
export const MAVEN_DIR = 'maven'

/** Where pnpm up to 10 looks for settings, below a home, and what stands there; `home` is the commands' one. */
export const PNPM_SETTINGS = {
  path: '.config/pnpm/rc',
  file: 'pnpm-rc',
  text: (home: string) => `store-dir=${home}/${CACHE_DIR}/pnpm-store\n`,
} as const

/**
 * What a project's own commands find set, with or without a network: tools keep what they download in the project's cache,
 * and what a set-up installed is on the PATH. Read by bash, so that it can name the workspace and the home.
 */
export function projectEnv(home: string, workspace: string, path: string): Record<string, string> {
  const cache = `${home}/${CACHE_DIR}`
  return {
    PATH: `${workspace}/.venv/bin:${path}:${cache}/tools/bin`,
    npm_config_cache: `${cache}/npm`,
    // Read from pnpm 11 on; what older ones read is PNPM_SETTINGS. As npm_config_… npm itself would warn of it in every output.
    pnpm_config_store_dir: `${cache}/pnpm-store`,
    YARN_CACHE_FOLDER: `${cache}/yarn`,
    YARN_GLOBAL_FOLDER: `${cache}/yarn-berry`,
    BUN_INSTALL_CACHE_DIR: `${cache}/bun`,
    UV_LINK_MODE: 'copy',
    GOPATH: `${cache}/go`,
    GOFLAGS: '-modcacherw',
    GOTOOLCHAIN: 'local',
    CARGO_HOME: `${cache}/cargo`,
    GRADLE_USER_HOME: `${cache}/gradle`,
    // Below the project, where its own configuration names no other place.
    BUNDLE_PATH: 'vendor/bundle',
    BUNDLE_USER_CACHE: `${cache}/bundle`,
    COMPOSER_HOME: `${cache}/composer`,
  }
}

/**
 * Opens the door inside the sandbox, waits until it is open (a few milliseconds, two seconds at most) and becomes the
 * command. The bridge is a child of the namespace's first process, not of the command, so that a `wait` never meets it. That
 * it listens is heard from its own log; the kernel's table of sockets takes longer to read than the bridge to start.
 */
export const BRIDGE_SCRIPT = `exec 9< <(socat -d -d TCP-LISTEN:${PROXY_PORT},bind=127.0.0.1,reuseaddr,fork,max-children=200 \
UNIX-CONNECT:/run/keelson/net/egress.sock </dev/null 2>&1 >/dev/null &)
while read -r -t 2 -u 9 line; do [[ $line == *listening* ]] && break; done
exec 9<&-
exec "$@"`

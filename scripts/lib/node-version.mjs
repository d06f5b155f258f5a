/** Imported first by every script: says in one sentence what an older Node would say by a stack trace. */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`Keelson needs Node 20.19 or newer; this is ${process.versions.node} (${process.execPath}).\n`)
  process.exit(1)
}

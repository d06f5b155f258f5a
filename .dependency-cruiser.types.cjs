// The same source, seen with its `import type`: files that only name each other's types do not do so in a circle either.
const { options } = require('./.dependency-cruiser.cjs')

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [{ name: 'no-circular', severity: 'error', from: {}, to: { circular: true } }],
  options: { ...options, tsPreCompilationDeps: true },
}

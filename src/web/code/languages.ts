/** The languages that are coloured; everything else is plain text. */
export type Language =
  | 'c'
  | 'cpp'
  | 'css'
  | 'docker'
  | 'go'
  | 'html'
  | 'java'
  | 'javascript'
  | 'json'
  | 'markdown'
  | 'python'
  | 'rust'
  | 'shellscript'
  | 'sql'
  | 'toml'
  | 'tsx'
  | 'typescript'
  | 'yaml'

const BY_EXTENSION: Readonly<Record<string, Language>> = {
  bash: 'shellscript',
  c: 'c',
  cc: 'cpp',
  cjs: 'javascript',
  cpp: 'cpp',
  css: 'css',
  cts: 'typescript',
  go: 'go',
  h: 'c',
  hpp: 'cpp',
  htm: 'html',
  html: 'html',
  java: 'java',
  javascript: 'javascript',
  js: 'javascript',
  json: 'json',
  jsonc: 'json',
  jsx: 'tsx',
  md: 'markdown',
  markdown: 'markdown',
  mjs: 'javascript',
  mts: 'typescript',
  py: 'python',
  python: 'python',
  rs: 'rust',
  rust: 'rust',
  sh: 'shellscript',
  shell: 'shellscript',
  shellscript: 'shellscript',
  sql: 'sql',
  toml: 'toml',
  ts: 'typescript',
  tsx: 'tsx',
  typescript: 'typescript',
  yaml: 'yaml',
  yml: 'yaml',
  zsh: 'shellscript',
}

/** The language of a path, or of the word behind a fence in Markdown; null when it is not one of ours. */
export function languageOf(pathOrWord: string): Language | null {
  const name = pathOrWord.slice(pathOrWord.lastIndexOf('/') + 1).toLowerCase()
  if (name === 'dockerfile') return 'docker'
  const extension = name.slice(name.lastIndexOf('.') + 1)
  return Object.hasOwn(BY_EXTENSION, extension) ? (BY_EXTENSION[extension] ?? null) : null
}

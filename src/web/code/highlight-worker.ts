/** Colours code beside the page, so that a long file never holds up typing. */

import type { HighlighterCore, LanguageInput } from 'shiki/core'
import { createHighlighterCore } from 'shiki/core'
import { createJavaScriptRegexEngine } from 'shiki/engine/javascript'
import dark from 'shiki/themes/github-dark-high-contrast.mjs'
import light from 'shiki/themes/github-light-high-contrast.mjs'
import type { Language } from './languages.ts'

/** Code to colour; `id` stands in the answer again. */
export interface HighlightRequest {
  readonly id: number
  readonly code: string
  readonly language: Language
}

/** A run of one colour: its text, its colour on light and on dark. */
export type Token = readonly [text: string, light: string, dark: string]

/** The lines of the request with this `id`. */
export interface HighlightAnswer {
  readonly id: number
  /** Null when the language could not be loaded. */
  readonly lines: readonly (readonly Token[])[] | null
}

const LOADERS: Readonly<Record<Language, () => LanguageInput>> = {
  c: () => import('shiki/langs/c.mjs'),
  cpp: () => import('shiki/langs/cpp.mjs'),
  css: () => import('shiki/langs/css.mjs'),
  docker: () => import('shiki/langs/docker.mjs'),
  go: () => import('shiki/langs/go.mjs'),
  html: () => import('shiki/langs/html.mjs'),
  java: () => import('shiki/langs/java.mjs'),
  javascript: () => import('shiki/langs/javascript.mjs'),
  json: () => import('shiki/langs/json.mjs'),
  markdown: () => import('shiki/langs/markdown.mjs'),
  python: () => import('shiki/langs/python.mjs'),
  rust: () => import('shiki/langs/rust.mjs'),
  shellscript: () => import('shiki/langs/shellscript.mjs'),
  sql: () => import('shiki/langs/sql.mjs'),
  toml: () => import('shiki/langs/toml.mjs'),
  tsx: () => import('shiki/langs/tsx.mjs'),
  typescript: () => import('shiki/langs/typescript.mjs'),
  yaml: () => import('shiki/langs/yaml.mjs'),
}

const MAX_LINE_CHARACTERS = 2_000

let highlighter: Promise<HighlighterCore> | undefined

async function highlight({ id, code, language }: HighlightRequest): Promise<HighlightAnswer> {
  highlighter ??= createHighlighterCore({ themes: [light, dark], langs: [], engine: createJavaScriptRegexEngine() })
  const core = await highlighter
  if (!core.getLoadedLanguages().includes(language)) await core.loadLanguage(LOADERS[language]())
  const { tokens } = core.codeToTokens(code, {
    lang: language,
    themes: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    defaultColor: false,
    tokenizeMaxLineLength: MAX_LINE_CHARACTERS,
  })
  const lines = tokens.map((line) =>
    line.map(({ content, htmlStyle }): Token => {
      const style = typeof htmlStyle === 'object' ? htmlStyle : {}
      return [content, style['--shiki-light'] ?? '', style['--shiki-dark'] ?? '']
    }),
  )
  return { id, lines }
}

self.addEventListener('message', (event: MessageEvent<HighlightRequest>) => {
  highlight(event.data).then(
    (answer) => self.postMessage(answer),
    () => self.postMessage({ id: event.data.id, lines: null } satisfies HighlightAnswer),
  )
})

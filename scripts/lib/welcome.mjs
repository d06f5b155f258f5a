import { typed } from './typed.mjs'

/**
 * What a person sees once everything runs.
 *
 * @param {import('./supervisor.mjs').Stack} stack
 * @param {string} home
 * @returns {string}
 */
export function welcome(stack, home) {
  const { url, temporal, model } = stack.state()
  const modelText =
    model.kind === 'scripted'
      ? 'a scripted demonstration, not Claude; set ANTHROPIC_API_KEY to work with Claude, or ANTHROPIC_BASE_URL to use a server of your own'
      : `${model.name} at ${model.baseUrl}`
  const lines = [
    ['open', stack.setupUrl],
    ['model', modelText],
    ['temporal', temporal.webUrl ?? temporal.address ?? temporal.namespace],
    ['data', `${home} (logs in ${home}/logs)`],
    ['try', `${typed('chat')} "explain this project"`],
    ['stop', `Ctrl-C, or ${typed('stop')}`],
  ]
  return `\nKeelson runs at ${url}\n\n${lines.map(([name = '', text]) => `  ${name.padEnd(10)}${text}\n`).join('')}\n`
}

import type { ModelReading, ModelWait } from '../model/types.ts'

/** What people are told while a model call is under way. Pure. */

/** A call waits because the model is away. */
export function waitingText({ failures, waiting }: ModelWait): string {
  const others = waiting > 1 ? `, like ${waiting - 1} other calls` : ''
  return `The model server failed ${failures} times in a row; the call waits until it answers again${others}.`
}

/** A server still reads its prompt, or pauses within its reply. */
export function readingText({ waitedMs, waitsFor }: ModelReading): string {
  const seconds = Math.round(waitedMs / 1_000)
  return waitsFor === 'prompt'
    ? `The model is still reading the prompt (${seconds} s).`
    : `The model pauses within its reply (${seconds} s); its server has sent nothing since.`
}

/** Another model answered than the one that was asked for. */
export function substituteText({ asked, answered }: { readonly asked: string; readonly answered: string }): string {
  return `The server answered with the model "${answered}" in place of "${asked}"; what that costs is not known.`
}

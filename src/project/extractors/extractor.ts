import type { ProjectFiles } from '../project-files.ts'

/** Facts about a project as short Markdown list lines without their dash; none when it is not of that kind. */
export type Extractor = (files: ProjectFiles) => readonly string[]

/** One value of a file as a code span on one line of at most 160 characters: it cannot break out of its list entry. */
export function code(value: string): string {
  const plain = value.replace(/[\s`]+/g, ' ').trim()
  return `\`${plain.length > 160 ? `${plain.slice(0, 160)}…` : plain}\``
}

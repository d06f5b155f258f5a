/** One statement that is put together from parts, each of them a piece of a WITH with values of its own. */
export class Statement {
  readonly values: unknown[] = []
  readonly #parts: string[] = []
  readonly #taskChanges: string[] = []
  #taskId = ''

  /** Takes a value in and returns the name under which the text refers to it. */
  value(value: unknown): string {
    this.values.push(value)
    return `$${this.values.length}`
  }

  /** `name AS (sql)`; each name once. */
  part(name: string, sql: string): void {
    this.#parts.push(`${name} AS (${sql})`)
  }

  /** Changes of the task's row, as they stand behind SET: one statement changes a row once, so they are put together. */
  setTask(taskId: string, ...changes: readonly string[]): void {
    if (this.#taskChanges.length === 0) this.#taskId = this.value(taskId)
    this.#taskChanges.push(...changes)
  }

  get isEmpty(): boolean {
    return this.#parts.length + this.#taskChanges.length === 0
  }

  /** All parts, as they stand behind WITH. */
  get parts(): string {
    if (this.#taskChanges.length === 0) return this.#parts.join(', ')
    const task = `task AS (UPDATE tasks SET ${this.#taskChanges.join(', ')} WHERE id = ${this.#taskId})`
    return [...this.#parts, task].join(', ')
  }
}

/** Something that is read: `value` holds what is known meanwhile, `error` why it failed. */
export interface Loaded<Value> {
  readonly status: 'loading' | 'ready' | 'failed'
  readonly value: Value
  readonly error: unknown
}

import type { Usage } from '../shared/task.ts'

/** The columns in which a turn or a task keeps what its model calls used, in tokens. */
export interface UsageColumns {
  input_tokens: number
  output_tokens: number
  cache_read_tokens: number
  cache_write_tokens: number
}

/** What a row says was used. Pure. */
export function usageOf(row: UsageColumns): Usage {
  return {
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    cacheReadTokens: row.cache_read_tokens,
    cacheWriteTokens: row.cache_write_tokens,
  }
}

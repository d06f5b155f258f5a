import type { Model, ModelReply, ModelRequest, SpentCall, StreamOptions } from '../model/types.ts'
import { AppError } from '../shared/errors.ts'
import type { Usage } from '../shared/task.ts'
import type { WORKER_METRICS } from './catalog.ts'
import type { Instruments } from './instruments.ts'
import { modelLabel } from './labels.ts'

type Metrics = Instruments<typeof WORKER_METRICS>

/** The same model, whose calls, tokens, cost and times are counted. Passes on what the model answers or throws. */
export function createMeasuredModel(model: Model, metrics: Metrics): Model {
  return {
    kind: model.kind,
    async stream(request: ModelRequest, options: StreamOptions): Promise<ModelReply> {
      const labels = { model: modelLabel(request.model) }
      const onSpent = (spent: SpentCall): void => {
        countSpent(metrics, labels, spent)
        options.onSpent?.(spent)
      }
      try {
        const reply = await model.stream(request, { ...options, onSpent })
        metrics.keelson_model_calls_total.inc({ ...labels, outcome: 'ok' })
        metrics.keelson_model_call_seconds.observe(labels, reply.durationMs / 1_000)
        if (reply.firstTokenMs !== null) {
          metrics.keelson_model_first_token_seconds.observe(labels, reply.firstTokenMs / 1_000)
        }
        countSpent(metrics, labels, reply)
        return reply
      } catch (error) {
        const outcome = options.signal.aborted ? 'aborted' : error instanceof AppError ? error.code : 'other'
        metrics.keelson_model_calls_total.inc({ ...labels, outcome })
        throw error
      }
    },
  }
}

function countSpent(
  metrics: Metrics,
  labels: { model: string },
  { usage, costUsd }: { readonly usage: Usage; readonly costUsd: number | null },
): void {
  const tokens = metrics.keelson_tokens_total
  tokens.inc({ ...labels, kind: 'input' }, usage.inputTokens)
  tokens.inc({ ...labels, kind: 'output' }, usage.outputTokens)
  tokens.inc({ ...labels, kind: 'cache_read' }, usage.cacheReadTokens)
  tokens.inc({ ...labels, kind: 'cache_write' }, usage.cacheWriteTokens)
  if (costUsd === null) metrics.keelson_unpriced_calls_total.inc(labels)
  else metrics.keelson_cost_usd_total.inc(labels, costUsd)
}

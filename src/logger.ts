import { destination, type Logger, pino } from 'pino'

/**
 * What modules ask for when they log: a fixed message and fields with fixed names (`taskId`, `turn`, `durationMs` …).
 * info: state changes; warn: what was retried; error: what a person must see. Never prompts, file contents or keys.
 */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Fields that never reach a log line, one and two levels deep. */
const SECRET_FIELDS = [
  'authorization',
  'cookie',
  'apiKey',
  'apiToken',
  'setupToken',
  'token',
  'password',
  'secret',
  'env',
  '["x-api-key"]',
  '["set-cookie"]',
]

const REDACTED = SECRET_FIELDS.flatMap((field) => [field, field.startsWith('[') ? `*${field}` : `*.${field}`])

/** Writes JSON lines to standard output; `name` tells the process (`server`, `worker`). */
export function createLogger(options: { level: string; name: string }): Logger {
  return pino(
    {
      name: options.name,
      level: options.level,
      redact: { paths: REDACTED, censor: '[hidden]' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), bindings: ({ name, pid }) => ({ name, pid }) },
    },
    destination({ fd: 1, sync: false }),
  )
}

/** The methods that Temporal's `Runtime.install({logger})` calls. */
export interface TemporalLogger {
  log(level: string, message: string, meta?: Record<string, unknown>): void
  trace(message: string, meta?: Record<string, unknown>): void
  debug(message: string, meta?: Record<string, unknown>): void
  info(message: string, meta?: Record<string, unknown>): void
  warn(message: string, meta?: Record<string, unknown>): void
  error(message: string, meta?: Record<string, unknown>): void
}

/** Lets Temporal's runtime write through our logger, as `component: "temporal"`. */
export function toTemporalLogger(logger: Logger): TemporalLogger {
  const child = logger.child({ component: 'temporal' })
  const write = (level: 'trace' | 'debug' | 'info' | 'warn' | 'error') => {
    return (message: string, meta: Record<string, unknown> = {}) => child[level](meta, message)
  }
  const levels = { trace: write('trace'), debug: write('debug'), info: write('info'), warn: write('warn') }
  const error = write('error')
  return {
    ...levels,
    error,
    log: (level, message, meta) => {
      const name = level.toLowerCase()
      const known = name === 'trace' || name === 'debug' || name === 'info' || name === 'warn' ? levels[name] : error
      known(message, meta)
    },
  }
}

import { type CommandParser, defineScript } from 'redis'
import { partKey } from './topics.ts'

/**
 * What Redis holds for a project, and the two scripts that touch it. All keys carry the project in braces, so they lie
 * on one slot; every one of them may vanish at any time without losing a fact.
 */

/** Long enough for the longest command or reply; a crash can leave an open part behind, nothing else. */
const OPEN_PART_TTL_SECONDS = 6 * 3_600

/**
 * The Redis channel on which a project's live events and deltas come. The braces keep its keys on one node of a
 * cluster.
 */
export function channelOf(projectId: string): string {
  return `keelson:{${projectId}}:live`
}

/** Says that the outbox holds something; without a payload, since Postgres has it. */
export const OUTBOX_CHANNEL = 'keelson:outbox'

function indexKeyOf(projectId: string): string {
  return `keelson:{${projectId}}:open`
}

function leaseKeyOf(projectId: string): string {
  return `keelson:{${projectId}}:lease`
}

/** One step of a batch, in order. */
export type LiveOp =
  | { readonly op: 'event'; readonly line: string }
  | {
      readonly op: 'delta'
      readonly partId: string
      readonly taskId: string
      readonly turn: number
      readonly lease: number
      readonly offset: number
      readonly units: number
      /** A command's output is the same for every attempt that watches it: a newer one goes on, it never begins anew. */
      readonly isOutput: boolean
      readonly line: string
    }
  | { readonly op: 'close-part'; readonly taskId: string; readonly partId: string }
  | { readonly op: 'close-turn'; readonly taskId: string; readonly turn: number }
  | { readonly op: 'close-task'; readonly taskId: string }

/** Per delta of the batch, in order: it was applied, its lease is too old, or the part's length in Redis. */
export const APPLIED = -1
/** The answer for a delta of an attempt that a newer one has replaced. */
export const FENCED = -2

const PUSH = `
local index, leases = KEYS[1], KEYS[2]
local ttl = tonumber(ARGV[2])
local live, answers = {}, {}

local function drop(partId)
  redis.call('DEL', index .. ':' .. partId)
  redis.call('HDEL', index, partId)
end

local function drop_where(matches)
  local all = redis.call('HGETALL', index)
  for i = 1, #all, 2 do
    local task, turn = string.match(all[i + 1], '^%d+ %d+ (%S*) (%d+)$')
    if matches(task, turn) then drop(all[i]) end
  end
end

local i = 3
while i <= #ARGV do
  local op = ARGV[i]
  if op == 'E' then
    live[#live + 1] = ARGV[i + 1]
    i = i + 2
  elseif op == 'P' then
    drop(ARGV[i + 1])
    i = i + 2
  elseif op == 'T' then
    local task, turn = ARGV[i + 1], ARGV[i + 2]
    drop_where(function(a, b) return a == task and b == turn end)
    i = i + 3
  elseif op == 'X' then
    local task = ARGV[i + 1]
    drop_where(function(a) return a == task end)
    redis.call('HDEL', leases, task)
    redis.call('SET', index .. ':over:' .. task, '', 'EX', ttl)
    i = i + 2
  else
    local partId, task, turn = ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
    local lease, offset, units = tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5]), tonumber(ARGV[i + 6])
    local known = tonumber(redis.call('HGET', leases, task) or '0')
    local entry = redis.call('HGET', index, partId)
    local length, owner = string.match(entry or '0 0 ', '^(%d+) (%d+) ')
    length, owner = tonumber(length), tonumber(owner)
    -- A newer attempt that begins a reply again: what an older one left of it is void. Output goes on where it is.
    if offset == 0 and lease > owner and ARGV[i + 7] == '0' then length = 0 end
    -- A worker that slept through its task's end says nothing more.
    local isOver = known == 0 and redis.call('EXISTS', index .. ':over:' .. task) == 1
    if lease < known or isOver then
      answers[#answers + 1] = ${FENCED}
    elseif offset ~= length then
      answers[#answers + 1] = length
    else
      -- What belongs to no task (a service's output) has no lease to keep and closes nobody's parts.
      if lease > known and task ~= '' then
        redis.call('HSET', leases, task, lease)
        -- A project runs one task at a time: what another left open, its worker died before it could close it.
        drop_where(function(a) return a ~= task and a ~= '' end)
      end
      local list = index .. ':' .. partId
      if length == 0 then redis.call('DEL', list) end
      redis.call('RPUSH', list, ARGV[i + 8])
      redis.call('EXPIRE', list, ttl)
      redis.call('HSET', index, partId, (length + units) .. ' ' .. lease .. ' ' .. task .. ' ' .. turn)
      live[#live + 1] = ARGV[i + 8]
      answers[#answers + 1] = ${APPLIED}
    end
    i = i + 9
  end
end

redis.call('EXPIRE', index, ttl)
redis.call('EXPIRE', leases, ttl)
if #live > 0 then redis.call('PUBLISH', ARGV[1], table.concat(live, '\\n')) end
return answers
`

const READ = `
local lines = {}
local parts = redis.call('HKEYS', KEYS[1])
for _, partId in ipairs(parts) do
  local list = redis.call('LRANGE', KEYS[1] .. ':' .. partId, 0, -1)
  for _, line in ipairs(list) do lines[#lines + 1] = line end
end
return lines
`

function argumentsOf(op: LiveOp): string[] {
  switch (op.op) {
    case 'event':
      return ['E', op.line]
    case 'close-part':
      return ['P', partKey(op.taskId, op.partId)]
    case 'close-turn':
      return ['T', op.taskId, String(op.turn)]
    case 'close-task':
      return ['X', op.taskId]
    case 'delta': {
      const numbers = [op.lease, op.offset, op.units].map(String)
      return [
        'D',
        partKey(op.taskId, op.partId),
        op.taskId,
        String(op.turn),
        ...numbers,
        op.isOutput ? '1' : '0',
        op.line,
      ]
    }
  }
}

/**
 * For `createClient({scripts})`. `pushLive` keeps the open parts and publishes what was applied, atomically, so that no
 * reader sees them apart; repeating a batch is safe. `readOpenParts` gives the open parts' lines, each part's in order.
 */
export const LIVE_SCRIPTS = {
  pushLive: defineScript({
    NUMBER_OF_KEYS: 2,
    SCRIPT: PUSH,
    parseCommand(parser: CommandParser, projectId: string, ops: readonly LiveOp[]) {
      parser.pushKey(indexKeyOf(projectId))
      parser.pushKey(leaseKeyOf(projectId))
      parser.push(channelOf(projectId), String(OPEN_PART_TTL_SECONDS), ...ops.flatMap(argumentsOf))
    },
    transformReply: (reply: number[]) => reply,
  }),
  readOpenParts: defineScript({
    NUMBER_OF_KEYS: 1,
    SCRIPT: READ,
    parseCommand(parser: CommandParser, projectId: string) {
      parser.pushKey(indexKeyOf(projectId))
    },
    transformReply: (reply: string[]) => reply,
  }),
}

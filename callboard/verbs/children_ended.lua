#!lua flags=allow-oom
-- children_ended.lua: children of this queue's parents have ended, wherever they ran.
--
-- KEYS[1]   record      KEYS[2]  waiting    KEYS[3]  delayed    KEYS[4]  blocked    KEYS[5]  failed
-- KEYS[6]   payload     KEYS[7]  attempts   KEYS[8]  logs       KEYS[9]  progress   KEYS[10] checkpoints
-- KEYS[11]  results     KEYS[12] expiry     KEYS[13] meta       KEYS[14] totals     KEYS[15] history
-- KEYS[16]  events      KEYS[17] wake       KEYS[18] tags       KEYS[19] parents    KEYS[20] children
-- KEYS[21]  staged      KEYS[22] outbox     KEYS[23] sources
-- ARGV[1]   source: the queue whose outbox tells
-- ARGV[2]   packed {number in the outbox, parent's id, {family, place, outcome, value, policy, queue, id of the child}}, …
-- ARGV[3]   fair (1 or 0)            ARGV[4]  failed jobs kept            ARGV[5]  events_max
-- Returns   the length of this queue's outbox: a parent that fails may have parents of its own
--
-- The last child to end lets its parent wait (or be delayed until its time); one that fails fails it, if its policy says
-- so. A child that was retried and ends again changes what its parent knows of it.
-- include: record clock lists count tags wake outbox family kin told forget
local source, fair, keep_failed, events_max = ARGV[1], ARGV[3] == '1', tonumber(ARGV[4]), ARGV[5]
local taken = tonumber(redis.call('HGET', K.sources, source) or 0)
local last_taken = taken
local waiting, delayed, failed = {}, {}, {}
local earliest

local function fail(id, r, about)
  r.state, r.started = FAILED, 0
  r.reason = 'child ' .. about[6] .. '/' .. about[7] .. ' ' .. (about[3] == CANCELLED and 'was cancelled' or 'failed')
    .. (about[4] ~= '' and ': ' .. about[4] or '')
  redis.call('ZREM', K.blocked, id)
  redis.call('ZADD', K.failed, now, id)
  redis.call('HSET', K.record, id, encode(r))
  failed[#failed + 1] = id
  tell_parents({id}, FAILED, r.reason)
end

local function release(id, r)
  redis.call('ZREM', K.blocked, id)
  if r.ready > now then
    r.state = DELAYED
    redis.call('ZADD', K.delayed, r.ready, id)
    delayed[#delayed + 1] = id
    if not earliest or r.ready < earliest then earliest = r.ready end
  else
    r.state, r.ready = WAITING, now
    redis.call('ZADD', K.waiting, place(r.priority, r.workspace, fair), id)
    waiting[#waiting + 1] = id
  end
  redis.call('HSET', K.record, id, encode(r))
end

-- Whether `outcome` of a child with `policy` holds its parent up.
local function holds_up(outcome, policy)
  return policy == 'f' and (outcome == FAILED or outcome == CANCELLED) and 1 or 0
end

local function child_ended(id, about)
  local family_id, place_in, outcome, value, policy = about[1], about[2], about[3], about[4], about[5]
  local family = family_of(id)
  if not family or family[1] ~= family_id then
    -- Its parent is gone, or still on its way: kept for a while.
    local field = 'early/' .. family_id .. '/' .. string.format('%.0f', place_in)
    redis.call('HSET', K.staged, field, cmsgpack.pack({now, about}))
    return
  end
  local field = field_of(family_id, place_in)
  local packed = redis.call('HGET', K.children, field)
  local before = packed and cmsgpack.unpack(packed)[3] or ''
  redis.call('HSET', K.children, field, cmsgpack.pack({about[6], about[7], outcome, policy, value}))
  if before == '' then family[3] = family[3] - 1 end
  family[4] = family[4] - holds_up(before, policy) + holds_up(outcome, policy)
  redis.call('HSET', K.children, id, cmsgpack.pack(family))
  local rec = redis.call('HGET', K.record, id)
  if sub(rec, 1, 1) ~= BLOCKED then return end
  if holds_up(outcome, policy) == 1 then
    fail(id, decode(rec), about)
  elseif family[3] + family[4] == 0 then
    release(id, decode(rec))
  end
end

for _, message in ipairs(cmsgpack.unpack(ARGV[2])) do
  if message[1] > taken then
    child_ended(message[2], message[3])
    last_taken = message[1]
  end
end

if #waiting > 0 then
  emit('waiting', waiting, events_max)
  save_tags()
  if redis.call('HEXISTS', K.meta, 'paused') == 0 then mark() end
end
if #delayed > 0 then
  emit('delayed', delayed, events_max)
  local head = redis.call('ZRANGE', K.delayed, 0, 0, 'WITHSCORES')
  if tonumber(head[2]) >= earliest then mark() end
end
if #failed > 0 then
  count('failed', #failed)
  emit('failed', failed, events_max)
  trim_count(K.failed, keep_failed, 300)
end
if last_taken > taken then redis.call('HSET', K.sources, source, last_taken) end
return redis.call('ZCARD', K.outbox)

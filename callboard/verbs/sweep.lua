#!lua flags=allow-oom
-- sweep.lua: a queue's housekeeping in bounded steps: recover jobs whose lease ran out, promote, trim, wake.
--
-- KEYS[1]   payload     KEYS[2]  record      KEYS[3]  waiting    KEYS[4]  delayed    KEYS[5]  active
-- KEYS[6]   completed   KEYS[7]  failed      KEYS[8]  cancelled  KEYS[9]  attempts   KEYS[10] logs
-- KEYS[11]  results     KEYS[12] expiry      KEYS[13] children   KEYS[14] meta       KEYS[15] totals
-- KEYS[16]  history     KEYS[17] events      KEYS[18] outbox     KEYS[19] calls      KEYS[20] wake
-- KEYS[21]  tags        KEYS[22] held
-- ARGV[1]   packed policy {lease (ms), fair (1 or 0), max_stalls, keep_completed (ms), keep_failed (ms), events_max,
--           attempts_kept}
-- Returns   {recovered ids, ids of these that failed, leases granted anew, outbox length, next due (ms), waiting}
--
-- A lease that ran out on a started job is a stall; a job that was only reserved goes back uncounted. When the last
-- sweep is more than half a lease ago, or in the future, nobody could renew in time or the clock jumped: every active
-- job gets one fresh lease instead.
-- include: record clock lists count tags wake promote forget attempts
local policy = cmsgpack.unpack(ARGV[1])
local lease, fair, max_stalls, events_max, attempts_kept = policy[1], policy[2] == 1, policy[3], policy[6], policy[7]
local LIMIT, SAMPLE, MEMO_AGE, HISTORY_MINUTES = 100, 10, 600000, 1440

local flags = redis.call('HMGET', K.meta, 'swept', 'paused', 'granting')
local swept = tonumber(flags[1] or 0)
redis.call('HSET', K.meta, 'swept', now)
local recovered, failed, granted = {}, {}, 0

-- A grant goes on over several calls when more jobs are active than one call moves.
local GRANT_LIMIT = 1000
local gap = now - swept > lease / 2 or now < swept
local grant_until = gap and now + lease or tonumber(flags[3] or 0)
if grant_until > now then
  local short = redis.call('ZRANGEBYSCORE', K.active, '-inf', '(' .. string.format('%.0f', grant_until),
    'LIMIT', 0, GRANT_LIMIT)
  for _, id in ipairs(short) do redis.call('ZADD', K.active, grant_until, id) end
  granted = #short
  if granted == GRANT_LIMIT then
    redis.call('HSET', K.meta, 'granting', grant_until)
  else
    redis.call('HDEL', K.meta, 'granting')
  end
end
local beyond = redis.call('ZRANGEBYSCORE', K.active, '(' .. string.format('%.0f', now + lease), '+inf', 'LIMIT', 0, 1000)
for _, id in ipairs(beyond) do redis.call('ZADD', K.active, now + lease, id) end

if granted == 0 then
  local ids = redis.call('ZRANGEBYSCORE', K.active, '-inf', now, 'LIMIT', 0, LIMIT)
  for _, id in ipairs(ids) do
    local rec = decode(redis.call('HGET', K.record, id))
    redis.call('ZREM', K.active, id)
    rec.lost = rec.lost + 1
    recovered[#recovered + 1] = id
    if rec.started > 0 then
      rec.stalls = rec.stalls + 1
      keep_attempt(id, {rec.attempts + 1, rec.worker, rec.started, now, 's', 'Stalled', 'the worker was lost', ''},
        attempts_kept)
      count('stalled', 1)
    end
    if rec.stalls > max_stalls then
      rec.state = FAILED
      rec.reason = string.format('stalled: %d starts were lost with their worker', rec.stalls)
      redis.call('ZADD', K.failed, now, id)
      failed[#failed + 1] = id
    else
      rec.state, rec.started = WAITING, 0
      redis.call('ZADD', K.waiting, rec.score, id)
    end
    redis.call('HSET', K.record, id, encode(rec))
  end
  if #recovered > 0 then emit('stalled', recovered, events_max) end
  if #failed > 0 then
    count('failed', #failed)
    emit('failed', failed, events_max)
  end
end

local _, next_due = promote_due(200, fair)
save_tags()

trim_age(K.completed, now - policy[4], LIMIT)
trim_age(K.cancelled, now - policy[4], LIMIT)
trim_age(K.failed, now - policy[5], LIMIT)
local expired = redis.call('ZRANGEBYSCORE', K.expiry, '-inf', now, 'LIMIT', 0, LIMIT)
if #expired > 0 then
  redis.call('ZREM', K.expiry, unpack(expired))
  redis.call('HDEL', K.results, unpack(expired))
end

-- Small hashes whose old fields go by sampling, as Redis expires keys.
local function sample(key, is_old)
  if redis.call('HLEN', key) == 0 then return end
  local drawn, old = redis.call('HRANDFIELD', key, SAMPLE, 'WITHVALUES'), {}
  for i = 1, #drawn, 2 do
    if is_old(drawn[i], drawn[i + 1]) then old[#old + 1] = drawn[i] end
  end
  if #old > 0 then redis.call('HDEL', key, unpack(old)) end
end
sample(K.calls, function(_, value) return cmsgpack.unpack(value)[2] < now - MEMO_AGE end)
sample(K.history, function(field) return tonumber(string.match(field, '^%d+')) < now / 60000 - HISTORY_MINUTES end)

local waiting = redis.call('ZCARD', K.waiting)
if waiting == 0 and redis.call('ZCARD', K.held) == 0 and redis.call('ZCARD', K.active) == 0 then
  redis.call('DEL', K.tags)
else
  sample(K.tags, function(field, value)
    local priority = string.match(field, '^w(%d+):')
    return priority and tonumber(value) <= tonumber(redis.call('HGET', K.tags, 'v' .. priority) or 0)
  end)
end
if waiting > 0 and not flags[2] then mark() end
return {recovered, failed, granted, redis.call('ZCARD', K.outbox), next_due, waiting}

#!lua flags=allow-oom
-- sweep.lua: a queue's housekeeping in bounded steps: recover jobs whose lease ran out, promote, trim, wake.
--
-- KEYS[1]   payload     KEYS[2]  record      KEYS[3]  waiting    KEYS[4]  delayed    KEYS[5]  active
-- KEYS[6]   completed   KEYS[7]  failed      KEYS[8]  cancelled  KEYS[9]  attempts   KEYS[10] logs
-- KEYS[11]  results     KEYS[12] expiry      KEYS[13] children   KEYS[14] meta       KEYS[15] totals
-- KEYS[16]  history     KEYS[17] events      KEYS[18] outbox     KEYS[19] calls      KEYS[20] wake
-- KEYS[21]  tags        KEYS[22] held       KEYS[23] progress   KEYS[24] checkpoints KEYS[25] cancels
-- KEYS[26] parents    KEYS[27] staged
-- ARGV[1]   packed policy {lease (ms), fair (1 or 0), max_stalls, keep_completed (ms), keep_failed (ms), events_max,
--           attempts_kept}
-- Returns   {recovered ids, ids of these that failed, leases granted anew, outbox length, next due (ms), waiting,
--           1 when there is more to do at once}
--
-- A lease that ran out on a started job is a stall; a job that was only reserved goes back uncounted. When the last
-- sweep is more than half a lease ago, or in the future, nobody could renew in time or the clock jumped: every active
-- job gets one fresh lease instead.
-- include: record clock lists count tags wake due outbox family kin told forget attempts erase cancels cancelled tidy
local policy = cmsgpack.unpack(ARGV[1])
local lease, fair, max_stalls, events_max, attempts_kept = policy[1], policy[2] == 1, policy[3], policy[6], policy[7]
local LIMIT, GRANT_LIMIT, PROMOTE_LIMIT, TIDY_EVERY = 100, 1000, 200, 60000

local flags = redis.call('HMGET', K.meta, 'swept', 'paused', 'granting', 'tidied')
local swept = tonumber(flags[1] or 0)
redis.call('HSET', K.meta, 'swept', now)
local recovered, failed, stopped, granted, more = {}, {}, {}, 0, false
local has_active = redis.call('ZCARD', K.active) > 0
local has_cancels = has_active and redis.call('HLEN', K.cancels) > 0

-- A grant goes on over several calls when more jobs are active than one call moves.
local gap = now - swept > lease / 2 or now < swept
local grant_until = gap and now + lease or tonumber(flags[3] or 0)
if grant_until > now and has_active then
  local short = redis.call('ZRANGEBYSCORE', K.active, '-inf', '(' .. string.format('%.0f', grant_until),
    'LIMIT', 0, GRANT_LIMIT)
  for _, id in ipairs(short) do redis.call('ZADD', K.active, grant_until, id) end
  granted = #short
  if granted == GRANT_LIMIT then
    redis.call('HSET', K.meta, 'granting', grant_until)
    more = true
  else
    redis.call('HDEL', K.meta, 'granting')
  end
end

if has_active then
  local longest = string.format('%.0f', now + lease)
  local beyond = redis.call('ZRANGEBYSCORE', K.active, '(' .. longest, '+inf', 'LIMIT', 0, GRANT_LIMIT)
  for _, id in ipairs(beyond) do redis.call('ZADD', K.active, longest, id) end
end

if has_active and granted == 0 then
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
    local cancelled = has_cancels and take_cancel(id)
    if cancelled then
      stopped[#stopped + 1] = {id, rec, cancelled}
    elseif rec.stalls > max_stalls then
      rec.state = FAILED
      rec.reason = string.format('stalled: %d starts were lost with their worker', rec.stalls)
      redis.call('ZADD', K.failed, now, id)
      failed[#failed + 1] = id
      tell_parents({id}, FAILED, rec.reason)
    else
      rec.state, rec.started = WAITING, 0
      redis.call('ZADD', K.waiting, rec.score, id)
    end
    if not cancelled then redis.call('HSET', K.record, id, encode(rec)) end
  end
  if #recovered > 0 then emit('stalled', recovered, events_max) end
  for _, each in ipairs(stopped) do end_cancelled(each[1], each[2], each[3], events_max) end
  more = more or #recovered == LIMIT
  if #failed > 0 then
    count('failed', #failed)
    emit('failed', failed, events_max)
  end
end

local promoted, next_due = promote_due(PROMOTE_LIMIT, fair, events_max)
save_tags()
more = more or promoted == PROMOTE_LIMIT

local tidied = tonumber(flags[4] or 0)
if now - tidied >= TIDY_EVERY or now < tidied then
  if tidy(policy[4], policy[5]) then
    more = true
  else
    redis.call('HSET', K.meta, 'tidied', now)
  end
end

local waiting = redis.call('ZCARD', K.waiting)
if waiting > 0 and not flags[2] then mark() end
return {recovered, failed, granted, redis.call('ZCARD', K.outbox), next_due, waiting, more and 1 or 0}

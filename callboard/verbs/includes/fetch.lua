-- fetch.lua: waiting jobs become active, in order: `at_once` that start now, then `ahead` that are reserved.
-- needs: record clock lists count tags, KEYS as cycle.lua.
-- Returns the jobs (id, payload, packed record as it was while waiting, …), how many, paused (1 or 0), lone (1 or 0).
--
-- A job on its last permitted start runs alone in its process: any process that holds nothing takes it. One process at a
-- time that holds others may claim it and empty itself (meta lone, lone_until); the claim is never renewed, so that a long
-- job there does not keep it for ever, and is told (lone) while it lasts. A job that was lost before is not reserved.
local NOT_STARTED, MAX_LOOKS = pack('>I8', 0), 20

local function fetch(worker, call, policy, at_once, ahead, holds)
  local lease, max_stalls, events_max = policy[1], policy[3], policy[6]
  local flags = redis.call('HMGET', K.meta, 'paused', 'lone', 'lone_until', 'closed')
  local paused, lone = (flags[1] or flags[4]) and 1 or 0, 0
  if paused == 1 then return {}, 0, paused, lone end
  local claimed = flags[2] and tonumber(flags[3]) > now
  if at_once + ahead == 0 then return {}, 0, paused, claimed and flags[2] == worker and 1 or 0 end
  local wanted = at_once + ahead
  local token, expiry, started_now = token_of(worker, call), now + lease, pack('>I8', now)
  -- Counters rather than `#list`: its cost grows with the list.
  local jobs, taken, back, records, leases, stop = {}, {}, {}, {}, {}, false
  local n, passed, last_score, band_end = 0, 0, nil, 0

  -- Whether the job may go to this process now; the second result ends the batch after it.
  local function may_take(rec)
    local at = rest_at(rec)
    if #rec < at then return true, false end
    local stalls, lost = unpack_struct('>HH', rec, at + 10)
    if stalls > 0 and stalls >= max_stalls then
      if holds == 0 and n == 0 then
        redis.call('HDEL', K.meta, 'lone', 'lone_until')
        return true, true
      end
      passed = passed + 1
      if not claimed then
        redis.call('HSET', K.meta, 'lone', worker, 'lone_until', now + lease)
        claimed, flags[2] = true, worker
      end
      if flags[2] == worker then lone = 1 end
      return false, false
    end
    if lost > 0 and n >= at_once then return false, true end
    return true, false
  end

  local function look_at(popped)
    local ids = {}
    for i = 1, #popped / 2 do ids[i] = popped[2 * i - 1] end
    local packed = redis.call('HMGET', K.record, unpack(ids))
    local payloads = redis.call('HMGET', K.payload, unpack(ids))
    for i, id in ipairs(ids) do
      local take, last = false, false
      if not stop then take, last = may_take(packed[i]) end
      stop = stop or last
      if take then
        local score = tonumber(popped[2 * i])
        if score >= band_end then
          if last_score then advance(last_score) end
          band_end = (math.floor(score / BAND) + 1) * BAND
        end
        last_score = score
        n = n + 1
        taken[n] = id
        records[2 * n - 1] = id
        records[2 * n] = activate(packed[i], score, n <= at_once and started_now or NOT_STARTED, token)
        leases[2 * n - 1] = expiry
        leases[2 * n] = id
        jobs[3 * n - 2] = id
        jobs[3 * n - 1] = payloads[i]
        jobs[3 * n] = packed[i]
      else
        back[#back + 1] = popped[2 * i]
        back[#back + 1] = id
      end
    end
  end

  -- What waits behind a job that is passed over must not wait for it.
  for _ = 1, MAX_LOOKS do
    passed = 0
    local popped = redis.call('ZPOPMIN', K.waiting, wanted - n)
    if #popped > 0 then look_at(popped) end
    if passed == 0 or stop or n == wanted then break end
  end
  if last_score then advance(last_score) end
  if #back > 0 then call_in_pieces('ZADD', K.waiting, back) end
  if n > 0 then
    call_in_pieces('HSET', K.record, records)
    call_in_pieces('ZADD', K.active, leases)
    emit('active', taken, events_max)
  end
  return jobs, n, paused, lone
end

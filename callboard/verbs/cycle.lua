#!lua flags=allow-oom
-- cycle.lua: a worker process's one call: finish what ended, promote what is due, fetch what it can start.
--
-- KEYS[1]   payload     KEYS[2]  record      KEYS[3]  waiting    KEYS[4]  delayed    KEYS[5]  active
-- KEYS[6]   completed   KEYS[7]  failed      KEYS[8]  cancelled  KEYS[9]  attempts   KEYS[10] logs
-- KEYS[11]  results     KEYS[12] expiry      KEYS[13] children   KEYS[14] meta       KEYS[15] totals
-- KEYS[16]  history     KEYS[17] events      KEYS[18] outbox     KEYS[19] calls      KEYS[20] wake
-- KEYS[21]  tags
-- ARGV[1]   worker id
-- ARGV[2]   number of the call, rising a worker; with the id it makes the token of what is fetched
-- ARGV[3]   jobs to fetch that start at once      ARGV[4]  jobs to fetch ahead (reserve)
-- ARGV[5]   jobs this process holds already, in any queue
-- ARGV[6]   packed policy {lease (ms), fair (1 or 0), max_stalls, keep_completed, keep_failed, events_max,
--           attempts_kept}
-- ARGV[7]   packed finishes, each {id, number of its fetch, outcome, duration (ms), extra or nil} ('' for none).
--           outcome: c completed, r retry, d deferred (costs no attempt), f failed, x cancelled, b back (not run)
--           extra: delay (ms), error {type, message, traceback}, reason, options (JSON), result, result_ttl (ms),
--           outbox {{queue, id, payload, priority, workspace, delay (ms)} …}
-- ARGV[8]   packed {id, number} pairs started from the reserve and still running ('' for none)
-- Returns   {codes, jobs, waiting, next due (ms), paused, lone, outbox length, now (ms)}
--           codes: one character a finish, 1 done, 0 stale token or no record (nothing changed)
--           jobs: id, payload, packed record, id, …     lone: 1 when a job waits that must start alone
-- include: record clock lists count tags wake promote forget attempts
local worker, call = ARGV[1], ARGV[2]
local policy = cmsgpack.unpack(ARGV[6])
local lease, fair, max_stalls = policy[1], policy[2] == 1, policy[3]
local events_max, attempts_kept = policy[6], policy[7]
local PROMOTE_LIMIT, TRIM_LIMIT = 200, 300
local codes = ''
local requeued = 0

local function owned(packed, id, number)
  if not packed then return nil end
  local rec = cmsgpack.unpack(packed)
  if rec[STATE] ~= ACTIVE or rec[TOKEN] ~= worker .. ':' .. number then return nil end
  return rec
end

-- 1. Finishes. A resend after a lost reply gets the first answer.
local function finish(finishes)
  local ids, list = {}, {}
  for i, f in ipairs(finishes) do ids[i] = f[1] end
  local packed = redis.call('HMGET', K.record, unpack(ids))
  local leaving, records, forgotten, completed, failed, cancelled, delayed, waiting = {}, {}, {}, {}, {}, {}, {}, {}
  local events = {completed = {}, failed = {}, cancelled = {}, retried = {}, deferred = {}}
  local stale, outbox, next_number = 0, {}, nil

  for i, f in ipairs(finishes) do
    local id, outcome, extra = f[1], f[3], f[5] or {}
    local rec = owned(packed[i], id, f[2])
    if not rec then
      list[i] = '0'
      stale = stale + 1
    else
      list[i] = '1'
      packed[i] = false
      leaving[#leaving + 1] = id
      local score = rec[SCORE]
      if outcome ~= 'b' then
        put(rec, WORKER, worker)
        put(rec, DURATION, f[4])
      end
      if outcome == 'c' or outcome == 'r' or outcome == 'f' or outcome == 'x' then
        put(rec, ATTEMPTS, get(rec, ATTEMPTS) + 1)
      end
      if extra.error or outcome == 'r' or outcome == 'f' then
        local e = extra.error or {'', extra.reason or '', ''}
        keep_attempt(id, {get(rec, ATTEMPTS), worker, now - f[4], now, outcome, e[1], e[2], e[3]}, attempts_kept)
      end
      if extra.options then put(rec, OPTIONS, extra.options) end
      disown(rec)
      if outcome == 'c' then
        rec[STATE] = COMPLETED
        put(rec, STARTED, now - f[4])
        events.completed[#events.completed + 1] = id
        if policy[4] > 0 then
          completed[#completed + 1] = now
          completed[#completed + 1] = id
        else
          forgotten[#forgotten + 1] = id
        end
      elseif outcome == 'f' or outcome == 'x' then
        local name = outcome == 'f' and 'failed' or 'cancelled'
        local to, keep = failed, policy[5]
        if outcome == 'x' then to, keep = cancelled, policy[4] end
        rec[STATE] = outcome == 'f' and FAILED or CANCELLED
        put(rec, STARTED, now - f[4])
        put(rec, REASON, extra.reason or '')
        events[name][#events[name] + 1] = id
        if keep > 0 then
          to[#to + 1] = now
          to[#to + 1] = id
        else
          forgotten[#forgotten + 1] = id
        end
      elseif outcome == 'b' then
        rec[STATE] = WAITING
        waiting[#waiting + 1] = score
        waiting[#waiting + 1] = id
        requeued = requeued + 1
      else
        local name = outcome == 'r' and 'retried' or 'deferred'
        events[name][#events[name] + 1] = id
        local delay = extra.delay or 0
        put(rec, READY, now + delay)
        if delay > 0 then
          rec[STATE] = DELAYED
          delayed[#delayed + 1] = now + delay
          delayed[#delayed + 1] = id
        else
          rec[STATE] = WAITING
          waiting[#waiting + 1] = place(rec[PRIORITY], get(rec, WORKSPACE), fair)
          waiting[#waiting + 1] = id
          requeued = requeued + 1
        end
      end
      if extra.result then
        redis.call('HSET', K.results, id, extra.result)
        redis.call('ZADD', K.expiry, now + extra.result_ttl, id)
      end
      for _, m in ipairs(extra.outbox or {}) do
        next_number = (next_number or tonumber(redis.call('HGET', K.meta, 'outbox_number') or 0)) + 1
        local due = m[6] > 0 and now + m[6] or 0
        outbox[#outbox + 1] = next_number
        outbox[#outbox + 1] = cmsgpack.pack({next_number, m[1], m[2], m[3], m[4], m[5], due})
      end
      records[#records + 1] = id
      records[#records + 1] = cmsgpack.pack(rec)
    end
  end

  if #leaving > 0 then
    call_in_pieces('ZREM', K.active, leaving)
    call_in_pieces('HSET', K.record, records)
    if #completed > 0 then call_in_pieces('ZADD', K.completed, completed) end
    if #failed > 0 then call_in_pieces('ZADD', K.failed, failed) end
    if #cancelled > 0 then call_in_pieces('ZADD', K.cancelled, cancelled) end
    if #delayed > 0 then call_in_pieces('ZADD', K.delayed, delayed) end
    if #waiting > 0 then call_in_pieces('ZADD', K.waiting, waiting) end
    if #forgotten > 0 then forget(forgotten) end
    for name, of in pairs(events) do
      if #of > 0 then
        count(name, #of)
        emit(name, of, events_max)
      end
    end
    if #completed > 0 then trim_count(K.completed, policy[4], TRIM_LIMIT) end
    if #failed > 0 then trim_count(K.failed, policy[5], TRIM_LIMIT) end
    if #cancelled > 0 then trim_count(K.cancelled, policy[4], TRIM_LIMIT) end
  end
  if #outbox > 0 then
    redis.call('HSET', K.meta, 'outbox_number', next_number)
    call_in_pieces('ZADD', K.outbox, outbox)
  end
  if stale > 0 then count('stale_finishes', stale) end
  return table.concat(list)
end

if ARGV[7] ~= '' then
  local memo = redis.call('HGET', K.calls, worker)
  memo = memo and cmsgpack.unpack(memo)
  if memo and tonumber(call) <= memo[1] then
    codes = memo[3]
  else
    codes = finish(cmsgpack.unpack(ARGV[7]))
    redis.call('HSET', K.calls, worker, cmsgpack.pack({tonumber(call), now, codes}))
  end
end

-- 2. Starts from the reserve that are still running: only a started job can stall.
if ARGV[8] ~= '' then
  for _, pair in ipairs(cmsgpack.unpack(ARGV[8])) do
    local rec = owned(redis.call('HGET', K.record, pair[1]), pair[1], pair[2])
    if rec and rec[STARTED] == 0 then
      rec[STARTED] = now
      redis.call('HSET', K.record, pair[1], cmsgpack.pack(rec))
    end
  end
end

-- 3. Due jobs.
local promoted, next_due = promote_due(PROMOTE_LIMIT, fair)

-- 4. Fetch. A job on its last permitted start runs alone in a process: it is left in place until a process that holds
-- nothing asks, and one process at a time claims it. A job that was lost in a reserve is not reserved again.
local flags = redis.call('HMGET', K.meta, 'paused', 'lone', 'lone_until', 'closed')
local paused, lone, jobs = flags[1] and 1 or 0, 0, {}
local at_once, ahead, holds = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local fetched = 0
if flags[2] == worker then
  -- Our claim on a lone job: kept while this process empties itself, given up when it asks with empty hands.
  if holds > 0 then
    redis.call('HSET', K.meta, 'lone_until', now + lease)
  else
    redis.call('HDEL', K.meta, 'lone', 'lone_until')
  end
end
if at_once + ahead > 0 and not flags[1] and not flags[4] then
  local popped = redis.call('ZPOPMIN', K.waiting, at_once + ahead)
  if #popped > 0 then
    local ids, back, records, leases, started_ids = {}, {}, {}, {}, {}
    for i = 1, #popped, 2 do ids[#ids + 1] = popped[i] end
    local packed = redis.call('HMGET', K.record, unpack(ids))
    local payloads = redis.call('HMGET', K.payload, unpack(ids))
    local token = worker .. ':' .. call
    local stop = false
    for i, id in ipairs(ids) do
      local score = tonumber(popped[2 * i])
      local rec = cmsgpack.unpack(packed[i])
      local stalls = get(rec, STALLS)
      local alone = stalls > 0 and stalls >= max_stalls
      local take = not stop
      if take and alone then
        local claimed = flags[2] and flags[2] ~= worker and tonumber(flags[3]) > now
        take = not claimed and holds == 0 and fetched == 0
        if not claimed and not take then
          lone = 1
          redis.call('HSET', K.meta, 'lone', worker, 'lone_until', now + lease)
        end
        stop = take
      elseif take and fetched >= at_once and get(rec, LOST) > 0 then
        take, stop = false, true
      end
      if take then
        fetched = fetched + 1
        advance(score)
        rec[STATE] = ACTIVE
        put(rec, TOKEN, token)
        put(rec, SCORE, score)
        put(rec, STARTED, fetched <= at_once and now or 0)
        packed[i] = cmsgpack.pack(rec)
        records[#records + 1] = id
        records[#records + 1] = packed[i]
        leases[#leases + 1] = now + lease
        leases[#leases + 1] = id
        started_ids[#started_ids + 1] = id
        jobs[#jobs + 1] = id
        jobs[#jobs + 1] = payloads[i]
        jobs[#jobs + 1] = packed[i]
      else
        back[#back + 1] = popped[2 * i]
        back[#back + 1] = id
      end
    end
    if #back > 0 then call_in_pieces('ZADD', K.waiting, back) end
    if fetched > 0 then
      call_in_pieces('HSET', K.record, records)
      call_in_pieces('ZADD', K.active, leases)
      emit('active', started_ids, events_max)
    end
  end
end
save_tags()

local left = redis.call('ZCARD', K.waiting)
if left > 0 and paused == 0 and (fetched > 0 or promoted > 0 or requeued > 0) then mark() end
return {codes, jobs, left, next_due, paused, lone, redis.call('ZCARD', K.outbox), now}

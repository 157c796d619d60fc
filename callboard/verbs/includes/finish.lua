-- finish.lua: attempts end: their jobs leave `active`, and all that an end brings about is written with it.
-- needs: record clock lists count tags outbox family kin told forget attempts erase cancels, KEYS as cycle.lua. Its arguments are
-- those of cycle.lua.
-- `repeated`: the call may have run before, so that stale tokens are not news.
-- Returns one character a finish (1 done, 0 stale), and how many jobs are waiting again.
local TRIM_LIMIT = 300

local function finish(worker, policy, finishes, extras, repeated)
  local fair, keep_completed, keep_failed = policy[2] == 1, policy[4], policy[5]
  local events_max, attempts_kept = policy[6], policy[7]
  local extra_of = {}
  for i = 1, #extras, 2 do extra_of[extras[i]] = extras[i + 1] end
  local ids = {}
  for i = 1, #finishes / 4 do ids[i] = finishes[4 * i - 3] end
  local packed = redis.call('HMGET', K.record, unpack(ids))

  -- Counters rather than `#list`: its cost grows with the list.
  local codes, leaving, records, forgotten, stale, messages = {}, {}, {}, {}, 0, {}
  local n, n_records, n_completed = 0, 0, 0
  -- state or outcome -> flat scores and ids, and ids for the event
  local to = {completed = {}, failed = {}, cancelled = {}, delayed = {}, waiting = {}}
  local of = {completed = {}, failed = {}, cancelled = {}, retried = {}, deferred = {}}
  local tokens, erased = {}, {}
  local results, expiries = {}, {}
  local has_cancels = redis.call('HLEN', K.cancels) > 0
  local has_parents, told = redis.call('HLEN', K.parents) > 0, {}

  local function go(state, score, id)
    local list = to[state]
    list[#list + 1] = score
    list[#list + 1] = id
  end

  -- Everything but a plain completion: rare, so it may be slow.
  local function end_otherwise(id, rec, outcome, duration, extra)
    local r = decode(rec)
    if extra.options then r.options = extra.options end
    if outcome == 'b' then
      r.state, r.started = WAITING, 0
      go('waiting', r.score, id)
      return encode(r)
    end
    if not extra.unstarted then
      r.duration = duration
      r.started = now - duration
      local number, error = r.attempts + 1, extra.error or {'', extra.reason or '', ''}
      if outcome ~= 'd' then r.attempts = number end
      keep_attempt(id, {number, worker, r.started, now, outcome, error[1], error[2], error[3]}, attempts_kept)
    end
    if outcome == 'r' or outcome == 'd' then
      local name = outcome == 'r' and 'retried' or 'deferred'
      of[name][#of[name] + 1] = id
      r.ready = now + (extra.delay or 0)
      if r.ready > now then
        r.state = DELAYED
        go('delayed', r.ready, id)
      else
        r.state = WAITING
        go('waiting', place(r.priority, r.workspace, fair), id)
      end
      return encode(r)
    end
    local name = outcome == 'f' and 'failed' or 'cancelled'
    of[name][#of[name] + 1] = id
    r.state = outcome == 'f' and FAILED or CANCELLED
    r.reason = extra.reason or ''
    if (outcome == 'f' and keep_failed or keep_completed) > 0 then
      go(name, now, id)
    else
      forgotten[#forgotten + 1] = id
    end
    return encode(r)
  end

  for i, id in ipairs(ids) do
    local number, outcome, duration = finishes[4 * i - 2], finishes[4 * i - 1], finishes[4 * i]
    local token = tokens[number]
    if not token then
      token = token_of(worker, number)
      tokens[number] = token
    end
    local rec, extra = packed[i], extra_of[i]
    if not rec or not is_owned(rec, token) then
      codes[i] = '0'
      stale = stale + 1
    else
      codes[i] = '1'
      n = n + 1
      leaving[n] = id
      local cancelled = has_cancels and take_cancel(id)
      if cancelled then
        -- It completed before it heard of it, or it ends as cancelled, whatever it died of.
        if outcome ~= 'c' then
          extra = extra or {}
          extra.reason, extra.unstarted = cancelled[1], outcome == 'b'
          outcome = 'x'
        end
        if cancelled[2] == 1 then erased[#erased + 1] = id end
      end
      if outcome == 'c' then
        n_completed = n_completed + 1
        of.completed[n_completed] = id
        if keep_completed > 0 then
          to.completed[2 * n_completed - 1] = now
          to.completed[2 * n_completed] = id
          records[n_records + 1] = id
          records[n_records + 2] = complete(rec, now, duration)
          n_records = n_records + 2
        else
          forgotten[#forgotten + 1] = id
        end
      else
        records[n_records + 1] = id
        records[n_records + 2] = end_otherwise(id, rec, outcome, duration, extra or {})
        n_records = n_records + 2
      end
      if extra then
        -- Only what has ended of itself has a result.
        if extra.result and (outcome == 'c' or outcome == 'f') then
          results[#results + 1] = id
          results[#results + 1] = extra.result
          if extra.result_ttl then
            expiries[#expiries + 1] = now + extra.result_ttl
            expiries[#expiries + 1] = id
          end
        end
        for _, m in ipairs(extra.outbox or {}) do messages[#messages + 1] = m end
      end
      if has_parents and (outcome == 'c' or outcome == 'f' or outcome == 'x') then
        local value = extra and (outcome == 'c' and extra.result or outcome ~= 'c' and extra.reason) or ''
        told[#told + 1] = {id, outcome, value}
      end
    end
  end
  for _, m in ipairs(messages_to_parents(told)) do messages[#messages + 1] = m end

  if n > 0 then
    call_in_pieces('ZREM', K.active, leaving)
    call_in_pieces('HSET', K.record, records)
    for state, list in pairs(to) do
      if #list > 0 then call_in_pieces('ZADD', K[state], list) end
    end
    if #results > 0 then call_in_pieces('HSET', K.results, results) end
    if #expiries > 0 then call_in_pieces('ZADD', K.expiry, expiries) end
    if #forgotten > 0 then forget(forgotten) end
    for name, list in pairs(of) do
      if #list > 0 then
        count(name, #list)
        emit(name, list, events_max)
      end
    end
  end
  for _, id in ipairs(erased) do
    redis.call('ZREM', K.completed, id)
    redis.call('ZREM', K.cancelled, id)
    count('removed', 1)
    emit('removed', {id}, events_max)
  end
  erase(erased)
  -- Only now: what was to be removed must not push out what is kept.
  if #to.completed > 0 then trim_count(K.completed, keep_completed, TRIM_LIMIT) end
  if #to.failed > 0 then trim_count(K.failed, keep_failed, TRIM_LIMIT) end
  if #to.cancelled > 0 then trim_count(K.cancelled, keep_completed, TRIM_LIMIT) end
  fill_outbox(messages)
  if stale > 0 and not repeated then count('stale_finishes', stale) end
  return table.concat(codes), #to.waiting / 2
end

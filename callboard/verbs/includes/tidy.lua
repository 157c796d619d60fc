-- tidy.lua: what has had its time goes: finished jobs by age, expired results, old memos, minute buckets, idle tags, what
-- flows left behind.
-- needs: clock lists family kin forget, KEYS record completed failed cancelled expiry results calls history tags waiting held
--        active blocked children staged
-- Returns whether there is more than one call may do.
local TIDY_LIMIT, SAMPLE, SAMPLES = 300, 20, 10
local MEMO_AGE, HISTORY_MINUTES = 600000, 1440

-- Small hashes are cleaned by drawing fields, as Redis expires keys: on while more than a quarter of a draw is old.
local function tidy_hash(key, is_old)
  for _ = 1, SAMPLES do
    local drawn, old = redis.call('HRANDFIELD', key, SAMPLE, 'WITHVALUES'), {}
    for i = 1, #drawn, 2 do
      if is_old(drawn[i], drawn[i + 1]) then old[#old + 1] = drawn[i] end
    end
    if #old > 0 then redis.call('HDEL', key, unpack(old)) end
    if #old * 4 <= SAMPLE then return false end
  end
  return true
end

-- What flows put aside (key `staged`): parts of flows whose producer died, ends whose parent never came, barriers, and
-- the children of large families whose parent is gone.
local STAGED_AGE, BARRIER_AGE, FIELDS_A_CALL = 3600000, 86400000, 1000

local function is_past(field, kind)
  if kind == 'rows' then return tonumber(string.match(field, '%d+$')) < now - STAGED_AGE end
  local since = cmsgpack.unpack(redis.call('HGET', K.staged, field))[1]
  return since < now - (kind == 'barrier' and BARRIER_AGE or STAGED_AGE)
end

local function tidy_staged()
  if redis.call('HLEN', K.staged) == 0 then return false end
  local budget = FIELDS_A_CALL
  for _, field in ipairs(redis.call('HRANDFIELD', K.staged, SAMPLE)) do
    local kind, rest = string.match(field, '^(%a+)/(.+)$')
    if kind ~= 'gone' then
      if is_past(field, kind) then redis.call('HDEL', K.staged, field) end
    elseif budget > 0 then
      local last, fields = tonumber(redis.call('HGET', K.staged, field)), {}
      for at = last, math.max(1, last - budget + 1), -1 do fields[#fields + 1] = field_of(rest, at) end
      call_in_pieces('HDEL', K.children, fields)
      budget = budget - #fields
      if #fields == last then
        redis.call('HDEL', K.staged, field)
      else
        redis.call('HSET', K.staged, field, last - #fields)
      end
    end
  end
  return budget <= 0
end

local function tidy(keep_completed, keep_failed)
  local more = trim_age(K.completed, now - keep_completed, TIDY_LIMIT)
  more = trim_age(K.cancelled, now - keep_completed, TIDY_LIMIT) or more
  more = trim_age(K.failed, now - keep_failed, TIDY_LIMIT) or more
  local expired = redis.call('ZRANGEBYSCORE', K.expiry, '-inf', now, 'LIMIT', 0, TIDY_LIMIT)
  if #expired > 0 then
    redis.call('ZREM', K.expiry, unpack(expired))
    redis.call('HDEL', K.results, unpack(expired))
    -- While the job is there, an empty result says that there was one: a job without any returned None.
    local kept = {}
    for i, rec in ipairs(redis.call('HMGET', K.record, unpack(expired))) do
      if rec then
        kept[#kept + 1] = expired[i]
        kept[#kept + 1] = ''
      end
    end
    if #kept > 0 then redis.call('HSET', K.results, unpack(kept)) end
    more = more or #expired == TIDY_LIMIT
  end
  more = tidy_hash(K.calls, function(_, memo) return cmsgpack.unpack(memo)[2] < now - MEMO_AGE end) or more
  more = tidy_staged() or more
  local first_minute = now / 60000 - HISTORY_MINUTES
  more = tidy_hash(K.history, function(field) return tonumber(string.match(field, '^%d+')) < first_minute end) or more

  -- Tags order what waits and what may come back; without such jobs all of them can go.
  if redis.call('ZCARD', K.waiting) + redis.call('ZCARD', K.held) + redis.call('ZCARD', K.active) == 0 then
    redis.call('DEL', K.tags)
    return more
  end
  return tidy_hash(K.tags, function(field, tag)
    local priority = string.match(field, '^w(%d+):')
    return priority and tonumber(tag) <= tonumber(redis.call('HGET', K.tags, 'v' .. priority) or 0)
  end) or more
end

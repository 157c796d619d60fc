-- add.lua: add a batch of jobs, all or none.
--
-- KEYS[1]   payload     KEYS[2]  record      KEYS[3]  waiting    KEYS[4]  delayed    KEYS[5]  meta
-- KEYS[6]   totals      KEYS[7]  history     KEYS[8]  events     KEYS[9]  wake       KEYS[10] tags
-- KEYS[11]  calls       KEYS[12] sources     KEYS[13] held       KEYS[14] results    KEYS[15] expiry
-- ARGV[1]   caller: who may repeat this call ('' when it comes from an outbox)
-- ARGV[2]   number of the call, rising a caller
-- ARGV[3]   fair (1 or 0)   ARGV[4] max_length (0: none)   ARGV[5] events_max
-- ARGV[6]   source: the queue whose outbox delivers ('' when a caller adds)
-- ARGV[7]   packed jobs, each {id, payload, priority, workspace, delay (ms), due (ms, 0: use delay), number in outbox}
-- Returns   {1, codes}: one character a job, 1 added, 0 the id exists, 2 taken from the outbox before
--           {-1} nothing added: over max_length     {-2} nothing added: the queue is closed
-- include: record clock count tags wake
local caller, call = ARGV[1], tonumber(ARGV[2])
if caller ~= '' then
  local memo = redis.call('HGET', K.calls, caller)
  if memo then
    memo = cmsgpack.unpack(memo)
    if call <= memo[1] then return {1, memo[3]} end
  end
end

local flags = redis.call('HMGET', K.meta, 'closed', 'paused')
if flags[1] then return {-2} end
local jobs = cmsgpack.unpack(ARGV[7])
local fair, max_length, events_max, source = ARGV[3] == '1', tonumber(ARGV[4]), ARGV[5], ARGV[6]
local taken = source ~= '' and tonumber(redis.call('HGET', K.sources, source) or 0) or nil
local last_taken = taken

local ids = {}
for i, job in ipairs(jobs) do ids[i] = job[1] end
local present = redis.call('HMGET', K.record, unpack(ids))
if max_length > 0 then
  -- What is there or was taken before needs no room: adding it again must not look like a refusal.
  local new, counted = 0, {}
  for i, job in ipairs(jobs) do
    if not (present[i] or counted[job[1]] or taken and job[7] <= taken) then
      new = new + 1
      counted[job[1]] = true
    end
  end
  local length = redis.call('ZCARD', K.waiting) + redis.call('ZCARD', K.held) + redis.call('ZCARD', K.delayed)
  if new > 0 and length + new > max_length then return {-1} end
end

local codes, seen = {}, {}
local payloads, records, waiting, delayed = {}, {}, {}, {}
local now_ids, later_ids, earliest = {}, {}, nil
for i, job in ipairs(jobs) do
  local id = job[1]
  if taken and job[7] <= taken then
    codes[i] = '2'
  elseif present[i] or seen[id] then
    codes[i] = '0'
    if taken then last_taken = job[7] end
  else
    codes[i] = '1'
    seen[id] = true
    if taken then last_taken = job[7] end
    payloads[#payloads + 1] = id
    payloads[#payloads + 1] = job[2]
    local state = WAITING
    local due = job[6] > 0 and job[6] or now + job[5]
    if due > now then
      state = DELAYED
      delayed[#delayed + 1] = due
      delayed[#delayed + 1] = id
      later_ids[#later_ids + 1] = id
      if not earliest or due < earliest then earliest = due end
    else
      waiting[#waiting + 1] = place(job[3], job[4], fair)
      waiting[#waiting + 1] = id
      now_ids[#now_ids + 1] = id
    end
    records[#records + 1] = id
    records[#records + 1] = new_record(state, job[3], now, job[4])
  end
end

if #payloads > 0 then
  redis.call('HSET', K.payload, unpack(payloads))
  redis.call('HSET', K.record, unpack(records))
  count('added', #payloads / 2)
  -- A result with a time of its own may still be there from an earlier job of the same id.
  if redis.call('ZCARD', K.expiry) > 0 then
    local new = {}
    for i = 1, #payloads, 2 do new[#new + 1] = payloads[i] end
    redis.call('ZREM', K.expiry, unpack(new))
    redis.call('HDEL', K.results, unpack(new))
  end
  if #now_ids > 0 then
    redis.call('ZADD', K.waiting, unpack(waiting))
    emit('added', now_ids, events_max)
    save_tags()
    if not flags[2] then mark() end
  end
  if #later_ids > 0 then
    local head = redis.call('ZRANGE', K.delayed, 0, 0, 'WITHSCORES')
    redis.call('ZADD', K.delayed, unpack(delayed))
    emit('delayed', later_ids, events_max)
    if not head[2] or earliest < tonumber(head[2]) then mark() end
  end
end
if taken and last_taken > taken then redis.call('HSET', K.sources, source, last_taken) end
codes = table.concat(codes)
if caller ~= '' then redis.call('HSET', K.calls, caller, cmsgpack.pack({call, now, codes})) end
return {1, codes}

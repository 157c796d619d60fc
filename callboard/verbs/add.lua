-- add.lua: add a batch of jobs, all or none.
--
-- KEYS[1]   payload     KEYS[2]  record      KEYS[3]  waiting    KEYS[4]  delayed    KEYS[5]  meta
-- KEYS[6]   totals      KEYS[7]  history     KEYS[8]  events     KEYS[9]  wake       KEYS[10] tags
-- KEYS[11]  calls       KEYS[12] sources     KEYS[13] held       KEYS[14] results    KEYS[15] expiry
-- KEYS[16]  blocked     KEYS[17] parents     KEYS[18] children   KEYS[19] staged     KEYS[20] outbox
-- ARGV[1]   caller: who may repeat this call ('' when it comes from an outbox)
-- ARGV[2]   number of the call, rising a caller
-- ARGV[3]   fair (1 or 0)   ARGV[4] max_length (0: none)   ARGV[5] events_max
-- ARGV[6]   source: the queue whose outbox delivers ('' when a caller adds)
-- ARGV[7]   packed jobs, as insert.lua takes them
-- ARGV[8]   packed messages for the outbox: the other jobs of a flow ('' for none)
-- Returns   {1, codes}: one character a job, 1 added, 0 the id exists, 2 taken from the outbox before
--           {-1} nothing added: over max_length     {-2} nothing added: the queue is closed
--
-- Jobs of a flow that was accepted are let in beyond max_length: the door has looked, and half a flow helps nobody.
-- include: record clock lists count tags wake outbox family told adopt insert
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

local function is_of_flow(job) return job[8] and #job[8] > 0 end

if max_length > 0 then
  -- What is there or was taken before needs no room: adding it again must not look like a refusal.
  local new, counted = 0, {}
  for i, job in ipairs(jobs) do
    if not (present[i] or counted[job[1]] or taken and (job[7] <= taken or is_of_flow(job))) then
      new = new + 1
      counted[job[1]] = true
    end
  end
  local length = redis.call('ZCARD', K.waiting) + redis.call('ZCARD', K.held) + redis.call('ZCARD', K.delayed)
  if new > 0 and length + new > max_length then return {-1} end
end

local codes, seen, new, refused = {}, {}, {}, {}
for i, job in ipairs(jobs) do
  local id = job[1]
  if taken and job[7] <= taken then
    codes[i] = '2'
  elseif present[i] or seen[id] then
    codes[i] = '0'
    if is_of_flow(job) then
      -- Its parents must not wait for a job that is not theirs.
      for _, p in ipairs(job[8][1]) do
        refused[#refused + 1] = ended_message(p, FAILED, 'a job of its id was there already', this_queue(), id)
      end
    end
  else
    codes[i] = '1'
    seen[id] = true
    new[#new + 1] = job
  end
  if taken and codes[i] ~= '2' then last_taken = job[7] end
end
insert(new, flags[2], fair, events_max)
if ARGV[8] ~= '' and #new > 0 then fill_outbox(cmsgpack.unpack(ARGV[8])) end
if #refused > 0 then fill_outbox(refused) end
if (ARGV[8] ~= '' or #refused > 0) and redis.call('ZCARD', K.outbox) > 0 then mark() end
if taken and last_taken > taken then redis.call('HSET', K.sources, source, last_taken) end
codes = table.concat(codes)
if caller ~= '' then redis.call('HSET', K.calls, caller, cmsgpack.pack({call, now, codes})) end
return {1, codes}

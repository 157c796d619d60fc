-- add.lua: add a batch of jobs, all or none.
--
-- KEYS[1]   payload     KEYS[2]  record      KEYS[3]  waiting    KEYS[4]  delayed    KEYS[5]  meta
-- KEYS[6]   totals      KEYS[7]  history     KEYS[8]  events     KEYS[9]  wake       KEYS[10] tags
-- KEYS[11]  calls       KEYS[12] held        KEYS[13] results    KEYS[14] expiry
-- ARGV[1]   caller: who may repeat this call
-- ARGV[2]   number of the call, rising a caller
-- ARGV[3]   fair (1 or 0)   ARGV[4] max_length (0: none)   ARGV[5] events_max
-- ARGV[6]   packed jobs, as insert.lua takes them; none is of a flow
-- Returns   {1, codes}: one character a job, 1 added, 0 the id exists
--           {-1} nothing added: over max_length     {-2} nothing added: the queue is closed
--
-- What a single add needs and no more, since producers wait for it: flows and outboxes have scripts of their own.
-- include: record clock count tags wake memo room insert
local caller, call = ARGV[1], tonumber(ARGV[2])
local before = answer_before(caller, call)
if before then return {1, before} end

local flags = redis.call('HMGET', K.meta, 'closed', 'paused')
if flags[1] then return {-2} end
local jobs = cmsgpack.unpack(ARGV[6])
local ids = {}
for i, job in ipairs(jobs) do ids[i] = job[1] end
local present = redis.call('HMGET', K.record, unpack(ids))

local codes, seen, new = {}, {}, {}
for i, job in ipairs(jobs) do
  local id = job[1]
  if present[i] or seen[id] then
    codes[i] = '0'
  else
    codes[i] = '1'
    seen[id] = true
    new[#new + 1] = job
  end
end
-- What is there needs no room: adding it again must not look like a refusal.
if not has_room(#new, tonumber(ARGV[4])) then return {-1} end
insert(new, flags[2], ARGV[3] == '1', ARGV[5])
codes = table.concat(codes)
remember(caller, call, codes)
return {1, codes}

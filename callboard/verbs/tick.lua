-- tick.lua: add the jobs of schedules' ticks, each tick once.
--
-- KEYS[1]   payload     KEYS[2]  record      KEYS[3]  waiting    KEYS[4]  delayed    KEYS[5]  meta
-- KEYS[6]   totals      KEYS[7]  history     KEYS[8]  events     KEYS[9]  wake       KEYS[10] tags
-- KEYS[11]  ticks       KEYS[12] held        KEYS[13] results    KEYS[14] expiry
-- ARGV[1]   when the ticks were found to be due (ms)
-- ARGV[2]   fair (1 or 0)   ARGV[3] max_length (0: none)   ARGV[4] events_max
-- ARGV[5]   packed ticks, each {schedule, tick (ms), overlap (a allow, s skip, q queue), job as insert.lua takes it}; those
--           of one schedule in their order
-- Returns   {1, codes, ids}: one code a tick, and the id of the job that it stands for: a added, s skipped since the
--           previous job has not ended, w waits for that, f not added since the queue is full, b earlier than the last one
--           {-2} the queue is closed     {-3} they were found too long ago: look again     (nothing added)
--
-- A tick that was dealt with before gets the answer of that time.
-- include: record clock count tags wake insert
local TOO_LONG_AGO = 30000
if now - tonumber(ARGV[1]) > TOO_LONG_AGO then return {-3} end
local flags = redis.call('HMGET', K.meta, 'closed', 'paused')
if flags[1] then return {-2} end
local fair, max_length, events_max, ticks = ARGV[2] == '1', tonumber(ARGV[3]), ARGV[4], cmsgpack.unpack(ARGV[5])

local names, ids = {}, {}
for i, tick in ipairs(ticks) do names[i], ids[i] = tick[1], tick[4][1] end
local present, stored = redis.call('HMGET', K.record, unpack(ids)), redis.call('HMGET', K.ticks, unpack(names))
-- schedule -> {its last tick (ms), the job of the last one that made one, what came of it}
local last_of, changed = {}, {}
for i, name in ipairs(names) do last_of[name] = stored[i] and cmsgpack.unpack(stored[i]) or {0, '', ''} end
local room = math.huge
if max_length > 0 then
  room = max_length - redis.call('ZCARD', K.waiting) - redis.call('ZCARD', K.held) - redis.call('ZCARD', K.delayed)
end

local new, added, codes, jobs = {}, {}, {}, {}

local function has_ended(id)
  if id == '' then return true end
  if added[id] then return false end
  local packed = redis.call('HGET', K.record, id)
  local state = packed and sub(packed, 1, 1)
  return not packed or state == COMPLETED or state == FAILED or state == CANCELLED
end

local function deal_with(i, last, overlap, job)
  if overlap ~= 'a' and not has_ended(last[2]) then return overlap == 's' and 's' or 'w' end
  if present[i] or added[job[1]] then return 'a' end
  if room < 1 then return 'f' end
  room = room - 1
  new[#new + 1] = job
  added[job[1]] = true
  return 'a'
end

for i, tick in ipairs(ticks) do
  local name, at, overlap, job = unpack(tick)
  local last = last_of[name]
  if at < last[1] then
    codes[i], jobs[i] = 'b', last[2]
  elseif at == last[1] then
    codes[i], jobs[i] = last[3], last[2]
  else
    codes[i] = deal_with(i, last, overlap, job)
    if codes[i] ~= 'w' then
      last_of[name] = {at, codes[i] == 'a' and job[1] or last[2], codes[i]}
      changed[name] = true
    end
    jobs[i] = last_of[name][2]
  end
end
for name in pairs(changed) do redis.call('HSET', K.ticks, name, cmsgpack.pack(last_of[name])) end
insert(new, flags[2], fair, events_max)
return {1, table.concat(codes), jobs}

-- deliver.lua: add what another queue's outbox has for this one; what was taken before is passed over.
--
-- KEYS[1]   payload     KEYS[2]  record      KEYS[3]  waiting    KEYS[4]  delayed    KEYS[5]  meta
-- KEYS[6]   totals      KEYS[7]  history     KEYS[8]  events     KEYS[9]  wake       KEYS[10] tags
-- KEYS[11]  sources     KEYS[12] held        KEYS[13] results    KEYS[14] expiry     KEYS[15] blocked
-- KEYS[16]  parents     KEYS[17] children    KEYS[18] staged     KEYS[19] outbox
-- ARGV[1]   source: the queue whose outbox delivers
-- ARGV[2]   fair (1 or 0)   ARGV[3] max_length (0: none)   ARGV[4] events_max
-- ARGV[5]   packed jobs, as insert.lua takes them, their numbers rising
-- Returns   {1, codes}: one character a job, 1 added, 0 the id exists, 2 taken before
--           {-1} nothing added: over max_length     {-2} nothing added: the queue is closed
--
-- Jobs of a flow that was accepted are let in beyond max_length: the door has looked, and half a flow helps nobody.
-- include: record clock lists count tags wake outbox family child adopt room insert
local flags = redis.call('HMGET', K.meta, 'closed', 'paused')
if flags[1] then return {-2} end
local source, jobs = ARGV[1], cmsgpack.unpack(ARGV[5])
local taken = tonumber(redis.call('HGET', K.sources, source) or 0)

local ids = {}
for i, job in ipairs(jobs) do ids[i] = job[1] end
local present = redis.call('HMGET', K.record, unpack(ids))

local function is_of_flow(job) return job[8] and #job[8] > 0 end

local codes, seen, new, refused, last_taken, outside = {}, {}, {}, {}, taken, 0
for i, job in ipairs(jobs) do
  local id = job[1]
  if job[7] <= taken then
    codes[i] = '2'
  else
    last_taken = job[7]
    if present[i] or seen[id] then
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
      if not is_of_flow(job) then outside = outside + 1 end
    end
  end
end
if not has_room(outside, tonumber(ARGV[3])) then return {-1} end
insert(new, flags[2], ARGV[2] == '1', ARGV[4], adopt)
fill_outbox(refused)
if #refused > 0 then mark() end
if last_taken > taken then redis.call('HSET', K.sources, source, last_taken) end
return {1, table.concat(codes)}

#!lua flags=allow-oom
-- schedules_due.lua: the schedules that are to be looked at now, the longest due first.
--
-- KEYS[1]  schedule_times       KEYS[2]  schedules        KEYS[3]  deployment
-- ARGV[1]  schedules at most
-- Returns  {now (ms), when the next one is due that is not among them (ms; 0: none),
--           {id, when it was due (ms), packed schedule ('' for a mark of forsaken.lua), …}}
--
-- That somebody looked is noted, for the metrics: whoever holds the lock and is stuck does not.
-- include: clock
redis.call('HSET', K.deployment, 'ticked', now)
-- Mostly nothing is due, and one look says so.
local head = redis.call('ZRANGE', K.schedule_times, 0, 0, 'WITHSCORES')
if not head[2] or tonumber(head[2]) > now then return {now, tonumber(head[2] or 0), {}} end
local due = redis.call('ZRANGEBYSCORE', K.schedule_times, '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
local rows, ids = {}, {}
for i = 1, #due / 2 do ids[i] = due[2 * i - 1] end
local packed = #ids > 0 and redis.call('HMGET', K.schedules, unpack(ids)) or {}
for i, id in ipairs(ids) do
  rows[#rows + 1] = id
  rows[#rows + 1] = tonumber(due[2 * i])
  rows[#rows + 1] = packed[i] or ''
end
local following = redis.call('ZRANGE', K.schedule_times, #ids, #ids, 'WITHSCORES')
return {now, tonumber(following[2] or 0), rows}

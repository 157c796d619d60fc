#!lua flags=no-writes
-- history.lua: minute buckets of a queue.
--
-- KEYS[1]  history
-- ARGV[1]  minutes back from now            ARGV[2…]  what to count (added, completed, failed …)
-- Returns  {first minute (since the epoch), counts of the first minute in the order asked, of the next, …}
-- include: clock
local minutes, last = tonumber(ARGV[1]), math.floor(now / 60000)
local fields = {}
for minute = last - minutes + 1, last do
  for i = 2, #ARGV do fields[#fields + 1] = string.format('%.0f', minute) .. ':' .. ARGV[i] end
end
local counts = redis.call('HMGET', K.history, unpack(fields))
for i = 1, #fields do counts[i] = tonumber(counts[i] or 0) end
return {last - minutes + 1, counts}

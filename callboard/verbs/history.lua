#!lua flags=no-writes
-- history.lua: minute buckets of a queue.
--
-- KEYS[1]  history
-- ARGV[1]  minutes back from now            ARGV[2…]  what to count (added, completed, failed …)
-- Returns  {first minute (since the epoch), counts of the first minute in the order asked, of the next, …}
-- include: clock
local minutes, last = tonumber(ARGV[1]), math.floor(now / 60000)
local counts = {}
for minute = last - minutes + 1, last do
  local fields = {}
  for i = 2, #ARGV do fields[i - 1] = string.format('%.0f', minute) .. ':' .. ARGV[i] end
  for _, n in ipairs(redis.call('HMGET', K.history, unpack(fields))) do counts[#counts + 1] = tonumber(n or 0) end
end
return {last - minutes + 1, counts}

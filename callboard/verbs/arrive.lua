#!lua flags=allow-oom
-- arrive.lua: jobs of a group have completed; the last of them sends what is to follow.
--
-- KEYS[1]  staged      KEYS[2]  outbox      KEYS[3]  meta       KEYS[4]  sources
-- ARGV[1]  source: the queue whose outbox tells
-- ARGV[2]  packed {number in the outbox, id of the barrier, {how many are expected, messages}}, …
-- Returns  the length of this queue's outbox
-- include: clock lists outbox
local taken = tonumber(redis.call('HGET', K.sources, ARGV[1]) or 0)
local last_taken = taken
for _, arrival in ipairs(cmsgpack.unpack(ARGV[2])) do
  if arrival[1] > taken then
    last_taken = arrival[1]
    local field, expected, messages = 'barrier/' .. arrival[2], arrival[3][1], arrival[3][2]
    local held = redis.call('HGET', K.staged, field)
    local left = (held and cmsgpack.unpack(held)[2] or expected) - 1
    -- It stays for a while when all have arrived: a job that is retried by hand arrives again, and nothing must follow.
    redis.call('HSET', K.staged, field, cmsgpack.pack({now, left}))
    if left == 0 then fill_outbox(messages) end
  end
end
if last_taken > taken then redis.call('HSET', K.sources, ARGV[1], last_taken) end
return redis.call('ZCARD', K.outbox)

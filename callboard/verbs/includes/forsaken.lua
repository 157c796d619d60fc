-- forsaken.lua: a schedule that left a queue: what the queue keeps of its ticks goes a minute later, when nobody who has
-- seen it there can still be about to tick it.
-- needs: clock, KEYS schedule_times. No id of a schedule holds a slash.
local FORSAKEN_FOR = 60000

local function forsake(queue, id) redis.call('ZADD', K.schedule_times, now + FORSAKEN_FOR, queue .. '/' .. id) end

#!lua flags=no-writes
-- workers.lua: all worker processes and when they were last heard of.
--
-- KEYS[1]  workers     KEYS[2]  beats
-- Returns  {now (ms), {id, packed record, last beat (ms), id, …}}
-- include: clock
local rows, all = {}, redis.call('HGETALL', K.workers)
for i = 1, #all, 2 do
  rows[#rows + 1] = all[i]
  rows[#rows + 1] = all[i + 1]
  rows[#rows + 1] = redis.call('ZSCORE', K.beats, all[i]) or '0'
end
return {now, rows}

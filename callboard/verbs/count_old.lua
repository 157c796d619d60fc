#!lua flags=no-writes
-- count_old.lua: how many jobs of a state ended longer ago than an age: what `clean` would remove.
--
-- KEYS[1]  completed   KEYS[2]  failed      KEYS[3]  cancelled
-- ARGV[1]  state's key                      ARGV[2]  older than (ms)
-- Returns  how many
-- include: clock
return redis.call('ZCOUNT', K[ARGV[1]], '-inf', string.format('%.0f', now - tonumber(ARGV[2])))

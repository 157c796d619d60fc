#!lua flags=no-writes
-- noted_health.lua: what the last check found of a queue.
--
-- KEYS[1]  meta
-- Returns  packed {status, reasons (JSON, a list), since (ms), when it looked (ms)}; nil when none has looked
return redis.call('HGET', K.meta, 'health')

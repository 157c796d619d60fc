-- stage.lua: a part of a flow that is too large for one call is put aside until the whole is there.
--
-- KEYS[1]  staged      KEYS[2]  meta
-- ARGV[1]  family of its root        ARGV[2]  number of the part        ARGV[3]  packed messages (see includes/outbox.lua)
-- Returns  the field that holds it, to be named in a 'grow' message; '' when the queue is closed
--
-- What nobody names within an hour is removed (includes/tidy.lua).
-- include: clock
if redis.call('HEXISTS', K.meta, 'closed') == 1 then return '' end
local field = 'rows/' .. ARGV[1] .. '/' .. ARGV[2] .. '/' .. string.format('%.0f', now)
redis.call('HSET', K.staged, field, ARGV[3])
return field

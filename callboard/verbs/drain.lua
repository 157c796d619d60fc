-- drain.lua: one step of removing what waits, and what is delayed if asked.
--
-- KEYS[1]   record      KEYS[2]  waiting    KEYS[3]  held       KEYS[4]  delayed    KEYS[5]  blocked
-- KEYS[6]   active      KEYS[7]  completed  KEYS[8]  failed     KEYS[9]  cancelled  KEYS[10] payload
-- KEYS[11]  attempts    KEYS[12] logs       KEYS[13] children   KEYS[14] progress   KEYS[15] checkpoints
-- KEYS[16]  cancels     KEYS[17] totals     KEYS[18] history    KEYS[19] events
-- KEYS[20]  results     KEYS[21] expiry
-- KEYS[22] parents    KEYS[23] staged     KEYS[24] outbox     KEYS[25] meta
-- KEYS[26] wake
-- ARGV[1]   state's key (waiting, held, delayed)                ARGV[2]  jobs to remove at most
-- ARGV[3]   events_max
-- Returns   how many were removed
-- include: record clock lists count wake states outbox family kin told forget erase
local popped, ids = redis.call('ZPOPMIN', K[ARGV[1]], ARGV[2]), {}
for i = 1, #popped / 2 do ids[i] = popped[2 * i - 1] end
if #ids == 0 then return 0 end
if tell_parents(ids, CANCELLED, 'drained') then mark() end
erase(ids)
count('drained', #ids)
count('dropped', #ids)
emit('drained', ids, ARGV[3])
return #ids

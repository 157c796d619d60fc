#!lua flags=no-writes
-- measures_memory.lua: what a queue takes of Redis' memory, estimated.
--
-- KEYS[1]  payload     KEYS[2]  record      KEYS[3]  waiting    KEYS[4]  held       KEYS[5]  delayed
-- KEYS[6]  blocked     KEYS[7]  active      KEYS[8]  completed  KEYS[9]  failed     KEYS[10] cancelled
-- KEYS[11] attempts    KEYS[12] logs        KEYS[13] progress   KEYS[14] checkpoints KEYS[15] cancels
-- KEYS[16] results     KEYS[17] expiry      KEYS[18] dedup      KEYS[19] parents    KEYS[20] children
-- KEYS[21] staged      KEYS[22] meta        KEYS[23] totals     KEYS[24] tags       KEYS[25] limits
-- KEYS[26] usage       KEYS[27] events      KEYS[28] history    KEYS[29] outbox     KEYS[30] sources
-- KEYS[31] ticks       KEYS[32] calls       KEYS[33] wake
-- ARGV[1]  elements of each key that Redis looks at; it takes the others to be as large
-- Returns  bytes
local bytes = 0
for name in pairs(K) do bytes = bytes + (redis.call('MEMORY', 'USAGE', K[name], 'SAMPLES', ARGV[1]) or 0) end
return bytes

-- add_flow.lua: add the root of a flow, and with it messages that add its other jobs: all or nothing.
--
-- KEYS[1]   payload     KEYS[2]  record      KEYS[3]  waiting    KEYS[4]  delayed    KEYS[5]  meta
-- KEYS[6]   totals      KEYS[7]  history     KEYS[8]  events     KEYS[9]  wake       KEYS[10] tags
-- KEYS[11]  calls       KEYS[12] held        KEYS[13] results    KEYS[14] expiry     KEYS[15] blocked
-- KEYS[16]  parents     KEYS[17] children    KEYS[18] staged     KEYS[19] outbox
-- ARGV[1]   caller: who may repeat this call
-- ARGV[2]   number of the call, rising a caller
-- ARGV[3]   fair (1 or 0)   ARGV[4] max_length (0: none)   ARGV[5] events_max
-- ARGV[6]   packed list of one job, the root, as insert.lua takes it
-- ARGV[7]   packed messages for the outbox
-- Returns   as add.lua: {1, '1'}, or {1, '0'} when a job of the root's id was there and nothing was added
-- include: record clock lists count tags wake outbox family child adopt memo room insert
local caller, call = ARGV[1], tonumber(ARGV[2])
local before = answer_before(caller, call)
if before then return {1, before} end

local flags = redis.call('HMGET', K.meta, 'closed', 'paused')
if flags[1] then return {-2} end
local root = cmsgpack.unpack(ARGV[6])
local code = '0'
if redis.call('HEXISTS', K.record, root[1][1]) == 0 then
  if not has_room(1, tonumber(ARGV[4])) then return {-1} end
  code = '1'
  insert(root, flags[2], ARGV[3] == '1', ARGV[5], adopt)
  fill_outbox(cmsgpack.unpack(ARGV[7]))
  if redis.call('ZCARD', K.outbox) > 0 then mark() end
end
remember(caller, call, code)
return {1, code}

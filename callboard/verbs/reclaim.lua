#!lua flags=allow-oom
-- reclaim.lua: after a lost reply: what Redis holds for a worker and the worker does not know goes back, uncounted.
--
-- KEYS[1]  record      KEYS[2]  waiting     KEYS[3]  active    KEYS[4]  wake      KEYS[5]  cancels
-- KEYS[6]  cancelled   KEYS[7]  payload     KEYS[8]  attempts  KEYS[9]  logs      KEYS[10] children
-- KEYS[11] progress    KEYS[12] checkpoints KEYS[13] results   KEYS[14] expiry    KEYS[15] totals
-- KEYS[16] history     KEYS[17] events      KEYS[18] calls
-- KEYS[19] parents    KEYS[20] staged     KEYS[21] outbox     KEYS[22] meta
-- ARGV[1]  worker id
-- ARGV[2]  packed tokens-by-id of the jobs that it knows: {id, number of its fetch, id, …}
-- ARGV[3]  rank in `active` to begin at (0 first)
-- ARGV[4]  number of the worker's last cycle: one up to it that is still on its way will fetch nothing (0: none is)
-- Returns  {how many went back, rank to go on from (-1: all seen)}
-- include: record clock count wake lists outbox family kin told forget erase cancels cancelled giveback
local STEP = 500
local worker, first = ARGV[1], tonumber(ARGV[3])
local fence = tonumber(ARGV[4])
if fence > 0 then
  local memo = redis.call('HGET', K.calls, worker)
  if not memo or cmsgpack.unpack(memo)[1] < fence then
    redis.call('HSET', K.calls, worker, cmsgpack.pack({fence, now, ''}))
  end
end
local flat, known = cmsgpack.unpack(ARGV[2]), {}
for i = 1, #flat, 2 do known[flat[i]] = token_of(worker, flat[i + 1]) end
local candidates = redis.call('ZRANGE', K.active, first, first + STEP - 1)
if #candidates == 0 then return {0, -1} end
local packed = redis.call('HMGET', K.record, unpack(candidates))
local ids, records = {}, {}
for i, id in ipairs(candidates) do
  local at = rest_at(packed[i])
  if sub(packed[i], at + 42, at + 53) == worker and known[id] ~= sub(packed[i], at + 34, at + 53) then
    ids[#ids + 1] = id
    records[#records + 1] = packed[i]
  end
end
give_back(ids, records)
local following = first + #candidates - #ids
return {#ids, #candidates < STEP and -1 or following}

#!lua flags=allow-oom
-- release.lua: jobs that were fetched and not started go back to their place; no attempt, no stall.
--
-- KEYS[1]  record      KEYS[2]  waiting     KEYS[3]  active    KEYS[4]  wake      KEYS[5]  cancels
-- KEYS[6]  cancelled   KEYS[7]  payload     KEYS[8]  attempts  KEYS[9]  logs      KEYS[10] children
-- KEYS[11] progress    KEYS[12] checkpoints KEYS[13] results   KEYS[14] expiry    KEYS[15] totals
-- KEYS[16] history     KEYS[17] events
-- KEYS[18] parents    KEYS[19] staged     KEYS[20] outbox     KEYS[21] meta
-- ARGV[1]  worker id
-- ARGV[2]  packed {id, number of its fetch} pairs
-- Returns  one character a job: 1 released, 0 stale (nothing changed)
-- include: record clock count wake lists outbox family kin told forget erase cancels cancelled giveback
local worker = ARGV[1]
local codes, ids, records = {}, {}, {}
for i, pair in ipairs(cmsgpack.unpack(ARGV[2])) do
  local packed = redis.call('HGET', K.record, pair[1])
  if packed and is_owned(packed, token_of(worker, pair[2])) then
    codes[i] = '1'
    ids[#ids + 1] = pair[1]
    records[#records + 1] = packed
  else
    codes[i] = '0'
  end
end
give_back(ids, records)
return table.concat(codes)

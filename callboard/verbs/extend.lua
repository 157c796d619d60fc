#!lua flags=allow-oom
-- extend.lua: renew the leases of jobs that a worker process holds.
--
-- KEYS[1]  record      KEYS[2]  active
-- ARGV[1]  worker id   ARGV[2]  lease (ms)
-- ARGV[3]  packed {id, number of its fetch} pairs
-- Returns  one character a job: 1 renewed, 0 lost (another owner, or no such job)
-- include: record clock
local worker, expiry = ARGV[1], now + tonumber(ARGV[2])
local pairs_ = cmsgpack.unpack(ARGV[3])
local ids, codes, leases = {}, {}, {}
for i, pair in ipairs(pairs_) do ids[i] = pair[1] end
local packed = redis.call('HMGET', K.record, unpack(ids))
for i, pair in ipairs(pairs_) do
  if packed[i] and is_owned(packed[i], token_of(worker, pair[2])) then
    codes[i] = '1'
    leases[#leases + 1] = expiry
    leases[#leases + 1] = pair[1]
  else
    codes[i] = '0'
  end
end
if #leases > 0 then redis.call('ZADD', K.active, unpack(leases)) end
return table.concat(codes)

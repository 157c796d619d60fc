#!lua flags=no-writes
-- relatives.lua: jobs and their parents.
--
-- KEYS[1]  payload     KEYS[2]  record     KEYS[3]  parents    KEYS[4]  children
-- ARGV[…]  job ids
-- Returns  for each: payload, packed record, packed list of parents {queue, id, family, place, policy} ('' for none),
--          1 when it has children; nil, nil, '', 0 when there is no such job
local found = {}
for i, id in ipairs(ARGV) do
  found[4 * i - 3] = redis.call('HGET', K.payload, id)
  found[4 * i - 2] = redis.call('HGET', K.record, id)
  found[4 * i - 1] = redis.call('HGET', K.parents, id) or ''
  found[4 * i] = redis.call('HEXISTS', K.children, id)
end
return found

#!lua flags=allow-oom
-- publish.lua: a worker process says which actors it can run, so that producers can check before they add.
--
-- An entry is not replaced by one whose payload has a lower version while workers still say it: in a rolling deploy an
-- old worker that restarts would make producers write what the new ones upgrade. Nobody saying it for a while is how
-- one goes back a version.
--
-- KEYS[1]  actors      KEYS[2]  deployment
-- ARGV[1]  format version of the data that this process reads and writes
-- ARGV[2]  an entry that nobody has said for this long may be replaced by any (ms)
-- ARGV[3]  1: said again; an entry of the same payload version stays as it is. 0: the process is new
-- ARGV[4…] actor name, version of its payload (0: takes anything), JSON {queue, options …}, actor name, …
-- Returns  the format version of the data in Redis; when it is another than the process's, nothing was changed
-- include: clock
local format = redis.call('HGET', K.deployment, 'format')
if not format then
  format = ARGV[1]
  redis.call('HSET', K.deployment, 'format', format)
end
if format ~= ARGV[1] then return tonumber(format) end
local silence, again = tonumber(ARGV[2]), ARGV[3] == '1'
local names = {}
for i = 4, #ARGV, 3 do names[#names + 1] = ARGV[i] end
local entries = #names > 0 and redis.call('HMGET', K.actors, unpack(names)) or {}
for i = 4, #ARGV, 3 do
  local entry, version = entries[(i - 1) / 3], tonumber(ARGV[i + 1])
  -- When it was last said stands in front, so that the JSON need not be written anew, which would change empty lists.
  local said, rest = string.match(entry or '', '^{"said_ms":(%d+),(.*)$')
  local body = string.sub(ARGV[i + 2], 2)
  if said then
    local age, there = now - tonumber(said), cjson.decode(entry).payload_version or 0
    if age < silence and (there > version or (again and there == version)) then
      body = there == version and age > silence / 4 and rest or nil
    end
  end
  if body then redis.call('HSET', K.actors, ARGV[i], '{"said_ms":' .. string.format('%.0f', now) .. ',' .. body) end
end
return tonumber(format)

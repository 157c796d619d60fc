-- look.lua: endpoints as they stand.
--
-- KEYS[1]  endpoints   hash: id -> JSON          KEYS[2]  disabled    hash: id -> JSON {reason, at_ms, by}
-- KEYS[3]  failing     hash: id -> since (ms)    KEYS[4]  successes   hash: id -> time of the last one (ms)
-- KEYS[5]  failures    hash: id -> JSON {at_ms, reason} of the last one
-- ARGV[…]  ids
-- Returns  {now (ms), {endpoint, disabled, failing, success, failure}, …}: a row an id, false where there is nothing
local t = redis.call('TIME')
local rows = {t[1] * 1000 + math.floor(t[2] / 1000)}
for i, id in ipairs(ARGV) do
  local row = {}
  for k = 1, 5 do row[k] = redis.call('HGET', KEYS[k], id) end
  rows[i + 1] = row
end
return rows

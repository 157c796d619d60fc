#!lua flags=no-writes
-- children.lua: a page of the children of a parent, in their places.
--
-- KEYS[1]  children
-- ARGV[1]  id of the parent     ARGV[2]  first place (1 first)     ARGV[3]  how many at most     ARGV[4]  1: with values
-- Returns  {how many there are, how many have not ended, packed {place, queue, id, outcome ('' before it ended), policy,
--          value}, …}; nil when it has none
-- include: family
local family = family_of(ARGV[1])
if not family then return false end
local first, fields, rows = tonumber(ARGV[2]), {}, {}
for at = first, math.min(family[2], first + tonumber(ARGV[3]) - 1) do fields[#fields + 1] = field_of(family[1], at) end
if #fields == 0 then return {family[2], family[3]} end
for i, packed in ipairs(redis.call('HMGET', K.children, unpack(fields))) do
  -- One of a flow that still grows may not be there.
  local child = packed and cmsgpack.unpack(packed)
  if child then
    local value = ARGV[4] == '1' and child[5] or ''
    rows[#rows + 1] = cmsgpack.pack({first + i - 1, child[1], child[2], child[3], child[4], value})
  end
end
return {family[2], family[3], unpack(rows)}

-- family.lua: what is kept of the jobs of flows. needs: KEYS children
--
-- parents    child id -> packed list of {queue, id, family, place, policy}, one a parent
-- children   parent id -> packed {family, children, how many have not ended, how many hold it up by their failure}
--            '/<family>/<place>' -> packed {queue, id, outcome ('' before it ended), policy, value}
-- A family is one parent's children of one add: a parent that is added anew has another. Places count from 1. Policies say
-- what a child's failure does: 'f' fails the parent, 'i' is ignored, 'r' is reported to it.

local function family_of(id)
  local packed = redis.call('HGET', K.children, id)
  return packed and cmsgpack.unpack(packed)
end

local function field_of(family, place) return '/' .. family .. '/' .. string.format('%.0f', place) end

-- kin.lua: jobs that are gone have no kin (see family.lua). The fields of a large family go with time (tidy.lua).
-- needs: lists family, KEYS parents children staged
local FAMILY_AT_ONCE = 10

local function drop_kin(ids)
  if redis.call('HLEN', K.parents) > 0 then call_in_pieces('HDEL', K.parents, ids) end
  if redis.call('HLEN', K.children) == 0 then return end
  for i, packed in ipairs(redis.call('HMGET', K.children, unpack(ids))) do
    if packed then
      local family = cmsgpack.unpack(packed)
      redis.call('HDEL', K.children, ids[i])
      if family[2] > FAMILY_AT_ONCE then
        redis.call('HSET', K.staged, 'gone/' .. family[1], family[2])
      else
        for place = 1, family[2] do redis.call('HDEL', K.children, field_of(family[1], place)) end
      end
    end
  end
end

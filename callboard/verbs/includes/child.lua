-- child.lua: a parent knows of a child. needs: family, KEYS children

-- Note the child at `place` of a family, unless it is there.
local function note_child(family, place, child)
  redis.call('HSETNX', K.children, field_of(family, place), cmsgpack.pack({child[1], child[2], '', child[3], ''}))
end

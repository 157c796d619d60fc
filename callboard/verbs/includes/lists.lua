-- lists.lua: variadic calls in pieces, since Lua's stack bounds how many arguments one call may have.
local PIECE = 1000

local function call_in_pieces(command, key, values)
  for first = 1, #values, PIECE do
    redis.call(command, key, unpack(values, first, math.min(first + PIECE - 1, #values)))
  end
end

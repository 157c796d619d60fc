-- clock.lua: `now`, the server's time in ms. Clients' clocks decide nothing.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- The scores of a window of a sorted set, lowest first, without its members. Reads only.
-- KEYS  1 ZSET
-- ARGV  1 first index  2 last index
-- Returns the scores
local first, last, out = tonumber(ARGV[1]), tonumber(ARGV[2]), {}
-- A few at a time: a thousand payloads of a megabyte must not lie in Lua's memory together.
for i = first, last, 20 do
  local some = redis.call('ZRANGE', KEYS[1], i, math.min(i + 19, last), 'WITHSCORES')
  for n = 2, #some, 2 do out[#out + 1] = some[n] end
  if #some == 0 then break end
end
return out

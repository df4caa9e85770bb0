-- A window of a list or sorted set, long payloads cut. Reads only.
-- KEYS  1 LIST or ZSET
-- ARGV  1 first index  2 last index  3 "list" | "zset" (lowest score first) | "zset reversed"  4 bytes of each payload at most
-- Returns groups of three: payload (cut), its full length, score ("" for a list)
local out = {}
local function add(payload, score)
  out[#out + 1] = payload:sub(1, tonumber(ARGV[4]))
  out[#out + 1] = #payload
  out[#out + 1] = score
end
if ARGV[3] == 'list' then
  for _, payload in ipairs(redis.call('LRANGE', KEYS[1], ARGV[1], ARGV[2])) do add(payload, '') end
else
  local read = ARGV[3] == 'zset' and 'ZRANGE' or 'ZREVRANGE'
  local some = redis.call(read, KEYS[1], ARGV[1], ARGV[2], 'WITHSCORES')
  for i = 1, #some, 2 do add(some[i], some[i + 1]) end
end
return out

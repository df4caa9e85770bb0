-- A window of a sorted set of tasks, or those in it that carry errors: long payloads cut, with why they failed.
-- Reads only.
-- KEYS  1 ZSET
-- ARGV  1 first index  2 last index  3 "zset" (lowest score first) | "zset reversed"
--       4 bytes of each payload at most  5 bytes of each reason at most  6 "all" | "with errors"
-- Returns groups of six: payload (cut), its full length, score, index, and of a cut payload what says
-- why, from `"died":{"reason":` or the last `{"error":` to the end of that text, and the time that follows (or "")
local read = ARGV[3] == 'zset' and 'ZRANGE' or 'ZREVRANGE'
local most, out = tonumber(ARGV[4]), {}

-- JSON inside a string has its quotes escaped, so these marks are never found in a traceback.
local function last_of(payload, mark)
  local at, found = 0, nil
  repeat
    at = payload:find(mark, at + 1, true)
    found = at or found
  until not at
  return found
end

local function add(payload, score, index)
  if ARGV[6] ~= 'all' and not payload:find('"errors":', 1, true) then return end
  local why, when = '', ''
  if #payload > most then
    local at = last_of(payload, '"died":{"reason":') or last_of(payload, '{"error":')
    if at then
      -- Nor is the end of a text followed by the next name.
      local ends = payload:find('","', at, true) or #payload
      why = payload:sub(at, math.min(ends, at + ARGV[5] - 1))
      when = payload:match('"at":(%d+%.?%d*)', at) or ''
    end
  end
  out[#out + 1] = payload:sub(1, most)
  out[#out + 1] = #payload
  out[#out + 1] = score
  out[#out + 1] = index
  out[#out + 1] = why
  out[#out + 1] = when
end

local first, last = tonumber(ARGV[1]), tonumber(ARGV[2])
-- A few at a time: hundreds of payloads of a megabyte must not lie in Lua's memory together.
for i = first, last, 20 do
  local some = redis.call(read, KEYS[1], i, math.min(i + 19, last), 'WITHSCORES')
  for n = 1, #some, 2 do add(some[n], some[n + 1], i + (n - 1) / 2) end
  if #some == 0 then break end
end
return out

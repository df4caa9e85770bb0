-- Look through a piece of a list or sorted set for payloads, in steps that grow while payloads are small. Reads only.
-- KEYS  1 LIST or ZSET
-- ARGV  1 "list" | "zset"
--       2 first and 3 last place to look at, first >= last; a place counts from the right end of a list, or is the
--         rank by ascending score: what is taken out at 0 then moves the rest towards what is still to be looked at
--       4 bytes of each payload to return at most  5 stop after so many bytes read  6 stop after so many found
--       7 "": payloads that contain one of the needles, whatever the case of ASCII letters (needles come in lower
--         case); else the size in bytes of a payload that begins with the needle
--       8 bytes that payloads had on average before, 0 when nothing is known
--       9.. needles; searched for as they are, they are no patterns
-- Returns {next place to look at, -1 when none is left; elements in the key; bytes of a payload on average; then
--         groups of four for each found: its place, payload (cut), full length, score ("" in a list)}
local LOOKED_INTO = 1048576  -- bytes of one payload that are searched
-- Elements read at once, and how often at most. Each read walks to its place from an end, so few are better; but what
-- comes may be far larger than what was met before.
local FIRST_STEP, GROWTH, LONGEST_STEP, READS = 2, 8, 256, 12
local is_list = ARGV[1] == 'list'
local total = redis.call(is_list and 'LLEN' or 'ZCARD', KEYS[1])
local place, last = math.min(tonumber(ARGV[2]), total - 1), math.max(0, tonumber(ARGV[3]))
local cut, enough, left = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local size = tonumber(ARGV[7])
local average, bytes, count = tonumber(ARGV[8]), 0, 0
local out = {-1, total, 0}

local function fits(payload)
  if size then return #payload == size and payload:sub(1, #ARGV[9]) == ARGV[9] end
  if ARGV[9] == '' then return true end
  local text = payload:sub(1, LOOKED_INTO):lower()
  for i = 9, #ARGV do
    if text:find(ARGV[i], 1, true) then return true end
  end
  return false
end

local step, reads = average > 0 and LONGEST_STEP or FIRST_STEP, 0
while place >= last and bytes < enough and left > 0 and reads < READS do
  reads = reads + 1
  step = math.max(1, math.min(step, LONGEST_STEP, math.floor((enough - bytes) / math.max(1, average))))
  local till = math.max(last, place - step + 1)
  -- Both come with `place` first.
  local some, stride
  if is_list then
    some, stride = redis.call('LRANGE', KEYS[1], -1 - place, -1 - till), 1
  else
    some, stride = redis.call('ZREVRANGE', KEYS[1], total - 1 - place, total - 1 - till, 'WITHSCORES'), 2
  end
  for i = 1, #some, stride do
    local payload = some[i]
    bytes, count = bytes + #payload, count + 1
    if fits(payload) then
      out[#out + 1] = place
      out[#out + 1] = payload:sub(1, cut)
      out[#out + 1] = #payload
      out[#out + 1] = is_list and '' or some[i + 1]
      left = left - 1
    end
    place = place - 1
    if left == 0 then break end
  end
  step, average = GROWTH * step, math.ceil(bytes / math.max(1, count))
end
if place >= last then out[1] = place end
out[3] = average
return out

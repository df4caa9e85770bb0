-- Take one pending task out of its queue without walking a long list; it can be brought back until the note expires.
-- KEYS  1 queue (LIST)  2 note (HASH)  3 log (STREAM)  4 stats (HASH)
-- ARGV  1 payload  2 its distance from the right end (0 = next to run)  3 half width of the window to look in
--       4 how near an end LREM may be used  5 tombstone  6 seconds to keep the note  7 cap of the log  8 channel
--       9 event
-- Returns {1, index found}, or {0, -1} when it is not in the window; a repeat with its note answers {1, -1}
if redis.call('EXISTS', KEYS[2]) == 1 then return {1, -1} end
local length = redis.call('LLEN', KEYS[1])
local around = length - 1 - tonumber(ARGV[2])
local from = math.max(0, around - tonumber(ARGV[3]))
local window = redis.call('LRANGE', KEYS[1], from, math.max(0, around + tonumber(ARGV[3])))
for i = 1, #window do
  if window[i] == ARGV[1] then
    local index = from + i - 1
    if length - 1 - index <= tonumber(ARGV[4]) then
      redis.call('LREM', KEYS[1], -1, ARGV[1])
    elseif index <= tonumber(ARGV[4]) then
      redis.call('LREM', KEYS[1], 1, ARGV[1])
    else
      redis.call('LSET', KEYS[1], index, ARGV[5])
      redis.call('HINCRBY', KEYS[4], 'tombstones', 1)
    end
    redis.call('HSET', KEYS[2], 'op', 'delete', 'state', 'pending', 'payload', ARGV[1], 'score', '0')
    redis.call('EXPIRE', KEYS[2], ARGV[6])
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[7], '*', 'e', ARGV[9])
    redis.call('PUBLISH', ARGV[8], ARGV[9])
    return {1, index}
  end
end
return {0, -1}

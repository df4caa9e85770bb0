-- Take a schedule away; tasks that it has made stay. The note keeps code from bringing it back, and its past known.
-- KEYS  1 schedules (HASH)  2 next (ZSET)  3 positions (HASH)  4 code (HASH)  5 removed (STRING)  6 log (STREAM)
--       7 running (HASH)  8 buffered (HASH)  9 runs of this schedule (LIST)
-- ARGV  1 name  2 definition seen ("" when somebody took it out by hand)  3 position seen ("" for none)
--       4 note: who, when, what it was (JSON)  5 seconds to keep the note  6 cap of the log  7 channel  8 event
-- Returns 1, or 0 when something has moved on; a repeated call finds its note and answers 1
if redis.call('GET', KEYS[5]) == ARGV[4] then return 1 end
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
if (redis.call('HGET', KEYS[3], ARGV[1]) or '') ~= ARGV[3] then return 0 end
-- Half a removal could not be repeated: either all of it can be done or nothing is.
for i, wanted in ipairs({'hash', 'zset', 'hash', 'hash', 'string', 'stream', 'hash', 'hash', 'list'}) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= wanted and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' holds a ' .. kind) end
end
-- Removals first: they go through even when Redis is full.
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
for i = 3, 4 do redis.call('HDEL', KEYS[i], ARGV[1]) end
for i = 7, 8 do redis.call('HDEL', KEYS[i], ARGV[1]) end
redis.call('DEL', KEYS[9])
redis.call('SET', KEYS[5], ARGV[4], 'EX', ARGV[5])
redis.call('XADD', KEYS[6], 'MAXLEN', '~', ARGV[6], '*', 'e', ARGV[8])
redis.call('PUBLISH', ARGV[7], ARGV[8])
return 1

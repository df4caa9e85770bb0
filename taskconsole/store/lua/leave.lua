-- Sign a worker off: whatever it still holds goes back to the right end of the queue, in order.
-- KEYS  1 queue (LIST)  2 processing (LIST)  3 workers (ZSET)  4 worker (HASH)  5 log (STREAM)
-- ARGV  1 worker id  2 cap of the log  3 channel  4 event
-- Returns how many tasks went back. Repeating it is harmless. It is also how a worker that was fenced
-- empties a list that a late blocking move may have filled behind its back.
local returned = 0
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'list' and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[1] .. ' holds a ' .. kind) end
redis.call('LTRIM', KEYS[2], 0, -1)
while redis.call('LMOVE', KEYS[2], KEYS[1], 'RIGHT', 'RIGHT') do returned = returned + 1 end
redis.call('DEL', KEYS[4])
if redis.call('ZREM', KEYS[3], ARGV[1]) == 1 then
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[2], '*', 'e', ARGV[4])
  redis.call('PUBLISH', ARGV[3], ARGV[4])
end
return returned

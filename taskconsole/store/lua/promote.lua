-- Move delayed tasks whose time has come to their queue, soonest first, and say when the next is due.
-- KEYS  1 delayed (ZSET)  2 queue (LIST)  3 stats (HASH)
-- ARGV  1 how many at most (≤ 1,000)  2 channel  3 queue's name
-- Returns {moved, due of the next or "", now}; times in seconds since the epoch
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.6f', now), 'LIMIT', 0, ARGV[1])
if #due > 0 then
  -- A removal must never be followed by a refused insertion; and it comes first, so that it works out of memory.
  local kind = redis.call('TYPE', KEYS[2]).ok
  if kind ~= 'list' and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[2] .. ' holds a ' .. kind) end
  redis.call('ZREM', KEYS[1], unpack(due))
  redis.call('LPUSH', KEYS[2], unpack(due))
  redis.call('HINCRBY', KEYS[3], 'promoted', #due)
  redis.call('PUBLISH', ARGV[2], cjson.encode({event = 'promoted', queue = ARGV[3], n = #due, at = now}))
end
return {#due, redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or '', string.format('%.6f', now)}

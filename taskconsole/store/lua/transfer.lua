-- Move named, due members of the public delayed set to the queue that their envelope asks for.
-- KEYS  1 delayed (ZSET)  2 queue (LIST)
-- ARGV  1 channel  2 queue's name  3.. payloads, soonest first (at most 1,000)
-- Returns how many moved; one that is gone or no longer due was deleted, rescheduled or moved by another meanwhile
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'list' and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[2] .. ' holds a ' .. kind) end
local moved = 0
for i = 3, #ARGV do
  local due = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if due and tonumber(due) <= now then
    redis.call('ZREM', KEYS[1], ARGV[i])
    redis.call('LPUSH', KEYS[2], ARGV[i])
    moved = moved + 1
  end
end
if moved > 0 then
  redis.call('PUBLISH', ARGV[1], cjson.encode({event = 'promoted', queue = ARGV[2], n = moved, at = now}))
end
return moved

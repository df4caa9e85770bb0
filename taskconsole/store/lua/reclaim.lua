-- Take back the tasks of a worker whose lease has run out (or that has none), and fence it.
-- KEYS  1 queue (LIST)  2 processing (LIST)  3 workers (ZSET)  4 worker (HASH)  5 dead (ZSET)  6 stats (HASH)
--       7 log (STREAM)
-- ARGV  1 worker id  2 channel  3 cap of the log  4 event for the log
--       5.. groups of three: "queue" | "bury", payload held, payload to put in its place; newest claim first
-- Returns {requeued, buried}, or {-1, 0} when the lease is valid: nothing done
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local lease = redis.call('ZSCORE', KEYS[3], ARGV[1])
if lease and tonumber(lease) > now * 1000 then return {-1, 0} end
-- A removal must never be followed by a refused insertion.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'list' and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[1] .. ' holds a ' .. kind) end
kind = redis.call('TYPE', KEYS[5]).ok
if kind ~= 'zset' and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[5] .. ' holds a ' .. kind) end
redis.call('LTRIM', KEYS[2], 0, -1)
local requeued, buried = 0, 0
for i = 5, #ARGV, 3 do
  if redis.call('LREM', KEYS[2], -1, ARGV[i + 1]) == 1 then
    if ARGV[i] == 'bury' then
      redis.call('ZADD', KEYS[5], string.format('%.6f', now), ARGV[i + 2])
      buried = buried + 1
    else
      redis.call('RPUSH', KEYS[1], ARGV[i + 2])
      requeued = requeued + 1
    end
  end
end
-- What arrived after the caller looked goes back as it is: nothing may stay in a list without a lease.
while redis.call('LMOVE', KEYS[2], KEYS[1], 'RIGHT', 'RIGHT') do requeued = requeued + 1 end
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('DEL', KEYS[4])
if requeued > 0 then redis.call('HINCRBY', KEYS[6], 'reclaimed', requeued) end
if buried > 0 then
  redis.call('HINCRBY', KEYS[6], 'died', buried)
  redis.call('HINCRBY', KEYS[6], 'poisoned', buried)
  redis.call('HSET', KEYS[6], 'poisoned_at', time[1])
end
if lease or requeued + buried > 0 then
  redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[3], '*', 'e', ARGV[4])
  redis.call('PUBLISH', ARGV[2], ARGV[4])
end
return {requeued, buried}

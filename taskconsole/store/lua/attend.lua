-- Say that somebody watches a queue's schedules, ask when the next is due, and who looks after the definitions.
-- KEYS  1 next (ZSET)  2 ticker (STRING)  3 sweeper (STRING)
-- ARGV  1 who asks  2 seconds until it is missed  3 seconds until another may sweep
-- Returns {score of the next or "", 0 when the caller is to look after the definitions, else milliseconds until it may
--          ask again, now}
local time = redis.call('TIME')
local head = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or ''
-- Out of memory neither can be written; the schedules go on.
redis.pcall('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
local sweeper = redis.call('GET', KEYS[3])
local wait = 0
if not sweeper or sweeper == ARGV[1] then
  redis.pcall('SET', KEYS[3], ARGV[1], 'EX', ARGV[3])
else
  wait = math.max(1, redis.call('PTTL', KEYS[3]))
end
return {head, wait, string.format('%.6f', time[1] + time[2] / 1000000)}

-- Say which schedules an app that is alive registers, so that those of no app can be told.
-- KEYS  1 manifests (ZSET)  2 this manifest (SET)
-- ARGV  1 its digest  2 seconds it is good for  3.. names to add
-- Returns how many names it has; 0 when it has to be told from the beginning
if #ARGV > 2 then redis.call('SADD', KEYS[2], unpack(ARGV, 3)) end
if redis.call('EXPIRE', KEYS[2], ARGV[2]) == 0 then return 0 end
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', tonumber(time[1]))
redis.call('ZADD', KEYS[1], time[1] + ARGV[2], ARGV[1])
return redis.call('SCARD', KEYS[2])

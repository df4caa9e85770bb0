-- Take away what stands as the unfinished tasks of a schedule, when nobody can read it.
-- KEYS  1 running (HASH)
-- ARGV  1 name  2 what was read there
-- Returns 1, or 0 when something else stands there meanwhile
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])

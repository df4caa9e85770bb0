-- Tasks on their way to another queue have arrived there: they are in the trash no more, only remembered.
-- KEYS  1 trash (LIST or ZSET)  2 former (same type)  3 note (HASH)
-- ARGV  1 seconds to remember them
-- Returns 1, or 0 when that was said before, or they were brought back
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[3], 'op', 'moved')
redis.call('EXPIRE', KEYS[3], ARGV[1])
return 1

-- Let another look after the definitions of a queue at once.
-- KEYS  1 sweeper (STRING)
-- ARGV  1 who gives up
-- Returns 1, or 0 when that was not, or is no longer, the caller's business
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])

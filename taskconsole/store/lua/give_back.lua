-- Return claimed tasks that were not started to the right end of their queue, so that they run next.
-- KEYS  1 queue (LIST)  2 processing (LIST)  3 workers (ZSET)  4 worker (HASH)
-- ARGV  1 worker id  2 sequence number  3 channel  4 event ("" for none)  5.. payloads, newest claim first
-- Returns {"K", returned}  {"R"} carried out before  {"F"} the lease was reclaimed: nothing done
if not redis.call('ZSCORE', KEYS[3], ARGV[1]) then return {'F'} end
if tonumber(ARGV[2]) <= tonumber(redis.call('HGET', KEYS[4], 'seq') or '0') then return {'R'} end
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'list' and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[1] .. ' holds a ' .. kind) end
redis.call('LTRIM', KEYS[2], 0, -1)
redis.call('HSET', KEYS[4], 'seq', ARGV[2])
local returned = 0
for i = 5, #ARGV do
  if redis.call('LREM', KEYS[2], -1, ARGV[i]) == 1 then
    redis.call('RPUSH', KEYS[1], ARGV[i])
    returned = returned + 1
  end
end
if returned > 0 and ARGV[4] ~= '' then redis.call('PUBLISH', ARGV[3], ARGV[4]) end
return {'K', returned}

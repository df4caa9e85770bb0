-- Acknowledge finished tasks and claim new ones: the hot path, one round trip for any number of both.
-- KEYS  1 queue (LIST)  2 processing (LIST)  3 workers (ZSET)  4 worker (HASH)  5 paused (STRING)
-- ARGV  1 worker id  2 sequence number  3 how many to claim at most  4 lease, milliseconds
--       5 how many of these whatever the other workers get; beyond that only a share of what is pending
--       6 how many of the oldest in the processing list to ack  7 how long it must be for that
--       8.. payloads to ack after these, oldest first
-- Returns {"K", 1 paused | 0, claimed…}
--         {"R", 1 paused | 0}                    this sequence number was carried out before: nothing done now
--         {"U"}                                  the list is not as the caller knows it: nothing done, name all payloads
--         {"F"}                                  the lease was reclaimed: nothing done, others own the tasks
--         {"E", message}                         acked, but the queue can't be claimed from (another type)
if not redis.call('ZSCORE', KEYS[3], ARGV[1]) then return {'F'} end
local paused = redis.call('EXISTS', KEYS[5])
local last = tonumber(redis.call('HGET', KEYS[4], 'seq') or '0')
if tonumber(ARGV[2]) <= last then return {'R', paused} end
-- Only numbered calls and blocking moves change the list, and the latter make it longer: when the caller's former call
-- was the last (no failover has taken anything back) and the length is right, it holds what the caller thinks.
local oldest = tonumber(ARGV[6])
if oldest > 0 and (last ~= ARGV[2] - 1 or redis.call('LLEN', KEYS[2]) ~= tonumber(ARGV[7])) then return {'U'} end
-- Out of memory Redis refuses a script until its first write frees something; this one frees or does nothing.
redis.call('LTRIM', KEYS[2], oldest, -1)
for i = 8, #ARGV do redis.call('LREM', KEYS[2], 1, ARGV[i]) end
redis.call('HSET', KEYS[4], 'seq', ARGV[2])
local time = redis.call('TIME')
redis.call('ZADD', KEYS[3], 'XX', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[4], ARGV[1])
local claim, sure = tonumber(ARGV[3]), tonumber(ARGV[5])
if paused == 1 or claim == 0 then return {'K', paused} end
if claim > sure then
  -- Who is alone takes all it has room for. Among several the first to ask must not have it all.
  local pending, workers = redis.pcall('LLEN', KEYS[1]), redis.call('ZCARD', KEYS[3])
  if type(pending) == 'table' then return {'E', pending.err} end
  if workers > 1 then pending = math.ceil(pending / (2 * workers)) end
  claim = math.min(claim, math.max(sure, pending))
end
local claimed = redis.pcall('RPOP', KEYS[1], claim)
if not claimed then return {'K', paused} end
if claimed.err then return {'E', claimed.err} end
redis.call('RPUSH', KEYS[2], unpack(claimed))
return {'K', paused, unpack(claimed)}

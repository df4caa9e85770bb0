-- Let tasks arrive that were taken out of another queue, which may lie on another node.
-- KEYS  1 queue (LIST), delayed, public delayed or dead (ZSET)  2 note (HASH)  3 log (STREAM)
-- ARGV  1 "pending" | "delayed" | "public" | "dead"  2 "L" behind the others | "R" next to run  3 seconds to keep the
--       note  4 cap of the log  5 channel  6 event  7 wake channel of a delayed set  8.. pairs (≤ 1,000): payload, score
--       ("" for pending); of pending tasks the first is to run first; none of them to call the move off: with this
--       note nothing arrives any more
-- Returns how many arrived; a repeat with its note answers the same
local n = redis.call('HGET', KEYS[2], 'n')
if n then return tonumber(n) end
if #ARGV < 8 then
  -- Out of memory Redis refuses a script until its first write frees something.
  redis.call('HDEL', KEYS[2], 'n')
  redis.call('HSET', KEYS[2], 'op', 'arrive', 'n', 0)
  redis.call('EXPIRE', KEYS[2], ARGV[3])
  return 0
end
local payloads, members = {}, {}
for i = 8, #ARGV, 2 do
  payloads[#payloads + 1] = ARGV[i]
  members[#members + 1] = ARGV[i + 1]
  members[#members + 1] = ARGV[i]
end
if ARGV[1] ~= 'pending' then
  redis.call('ZADD', KEYS[1], unpack(members))
elseif ARGV[2] == 'L' then
  redis.call('LPUSH', KEYS[1], unpack(payloads))
else
  local turned = {}
  for i = #payloads, 1, -1 do turned[#turned + 1] = payloads[i] end
  redis.call('RPUSH', KEYS[1], unpack(turned))
end
redis.call('HSET', KEYS[2], 'op', 'arrive', 'n', #payloads)
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', 'e', ARGV[6])
redis.call('PUBLISH', ARGV[5], ARGV[6])
if ARGV[1] == 'delayed' or ARGV[1] == 'public' then
  redis.call('PUBLISH', ARGV[7], redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2])
end
return #payloads

-- Give delayed tasks another time.
-- KEYS  1 delayed (ZSET)  2 note (HASH)  3 log (STREAM)  4 former (ZSET)
-- ARGV  1 which set it is: "delayed" | "public"  2 due (seconds since the epoch; "+s" for s seconds from now by this
--       server)  3 most tasks there may be ("" for any)  4 seconds to keep the note  5 cap of the log  6 channel
--       7 event  8 wake channel of that set  9.. payloads (≤ 1,000)
-- Returns {a "1" for each that has the time now and a "0" for each that is no longer delayed, due, former due of the
--         first}, or {"", how many there are} when there are more than agreed; a repeat with its note answers the same
-- include told
local done = redis.call('HMGET', KEYS[2], 'done', 'new', 'before')
if done[1] then return done end
if ARGV[3] ~= '' then
  local n = redis.call('ZCARD', KEYS[1])
  if n > tonumber(ARGV[3]) then return {'', n} end
end
local scores = redis.call('ZMSCORE', KEYS[1], unpack(ARGV, 9))
local due = ARGV[2]
if due:sub(1, 1) == '+' then
  local time = redis.call('TIME')
  due = string.format('%.6f', time[1] + time[2] / 1000000 + tonumber(due:sub(2)))
end
local former, new, flags, before = {}, {}, {}, nil
for i = 9, #ARGV do
  local score = scores[i - 8]
  if score then
    former[#former + 1] = score
    former[#former + 1] = ARGV[i]
    new[#new + 1] = due
    new[#new + 1] = ARGV[i]
    before = before or score
  end
  flags[#flags + 1] = score and '1' or '0'
end
done = table.concat(flags)
if not before then return {done, due, ''} end
-- Out of memory Redis refuses a script until its first write frees something; this one does nothing else.
redis.call('HDEL', KEYS[2], 'done')
redis.call('ZADD', KEYS[1], 'XX', unpack(new))
redis.call('ZADD', KEYS[4], unpack(former))
redis.call('EXPIRE', KEYS[4], ARGV[4])
redis.call(
  'HSET', KEYS[2], 'op', 'reschedule', 'state', ARGV[1], 'n', #new / 2, 'done', done, 'new', due, 'before', before
)
redis.call('EXPIRE', KEYS[2], ARGV[4])
local event = told(ARGV[7], done)
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*', 'e', event)
redis.call('PUBLISH', ARGV[6], event)
redis.call('PUBLISH', ARGV[8], due)
return {done, due, before}

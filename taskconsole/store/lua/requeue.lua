-- Put dead or delayed tasks back into their queue, to run now.
-- KEYS  1 dead, delayed or public delayed (ZSET)  2 queue (LIST)  3 note (HASH)  4 log (STREAM)  5 running (HASH)
--       6 schedules (HASH)  7 former (ZSET)
-- ARGV  1 which set it is: "delayed" | "public" | "dead"  2 "L" behind the others | "R" next to run
--       3 most tasks there may be ("" for any)  4 seconds to keep the note  5 cap of the log  6 channel  7 event
--       8.. pairs (≤ 1,000): payload as it stands, payload to run; the first is to run first
-- Returns {a "1" for each that was put back and a "0" for each that was no longer there},
--         or {"", how many there are} when there are more than agreed; a repeat with its note answers the same
-- include told
-- include unfinished
local done = redis.call('HGET', KEYS[3], 'done')
if done then return {done} end
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'list' and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[2] .. ' holds a ' .. kind) end
if ARGV[3] ~= '' then
  local n = redis.call('ZCARD', KEYS[1])
  if n > tonumber(ARGV[3]) then return {'', n} end
end
local asked = {}
for i = 8, #ARGV, 2 do asked[#asked + 1] = ARGV[i] end
local scores = redis.call('ZMSCORE', KEYS[1], unpack(asked))
local gone, former, to_run, flags, seen = {}, {}, {}, {}, {}
for i, payload in ipairs(asked) do
  -- A member is there once, however often it is named.
  if scores[i] and not seen[payload] then
    seen[payload] = true
    gone[#gone + 1] = payload
    former[#former + 1] = scores[i]
    former[#former + 1] = payload
    to_run[#to_run + 1] = ARGV[2 * i + 7]
    flags[#flags + 1] = '1'
  else
    flags[#flags + 1] = '0'
  end
end
done = table.concat(flags)
if #gone == 0 then return {done} end
local books = unfinished(KEYS[5], KEYS[6], to_run)
redis.call('ZREM', KEYS[1], unpack(gone))
if #books > 0 then redis.call('HSET', KEYS[5], unpack(books)) end
if ARGV[2] == 'R' then
  local turned = {}
  for i = #to_run, 1, -1 do turned[#turned + 1] = to_run[i] end
  redis.call('RPUSH', KEYS[2], unpack(turned))
else
  redis.call('LPUSH', KEYS[2], unpack(to_run))
end
redis.call('ZADD', KEYS[7], unpack(former))
redis.call('EXPIRE', KEYS[7], ARGV[4])
redis.call(
  'HSET', KEYS[3], 'op', 'requeue', 'state', ARGV[1], 'n', #gone, 'done', done, 'side', ARGV[2]
)
redis.call('EXPIRE', KEYS[3], ARGV[4])
local event = told(ARGV[7], done)
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[5], '*', 'e', event)
redis.call('PUBLISH', ARGV[6], event)
return {done}

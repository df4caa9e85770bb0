-- Make one task of a schedule now; its regular instants are not touched.
-- KEYS  1 schedules (HASH)  2 running (HASH)  3 queue (LIST)  4 note (HASH)  5 log (STREAM)  6 stats (HASH)
-- ARGV  1 name  2 id  3 payload  4 seconds to keep the note  5 cap of the log  6 channel  7 event
-- Returns 1, or 0 when there is no such schedule; a repeat with its note answers 1
if redis.call('EXISTS', KEYS[4]) == 1 then return 1 end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
-- A half-made task would be made again: either all of it can be written or nothing is.
for i, wanted in ipairs({'hash', 'hash', 'list', 'hash', 'stream', 'hash'}) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= wanted and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' holds a ' .. kind) end
end
local read, running = pcall(cjson.decode, redis.call('HGET', KEYS[2], ARGV[1]) or '{}')
if not read or type(running) ~= 'table' then running = {} end
for id, since in pairs(running) do
  -- What nobody of ours wrote (a list, a text, an endless number) is no task.
  if type(id) ~= 'string' or type(since) ~= 'number' or since - since ~= 0 then running[id] = nil end
end
local time = redis.call('TIME')
running[ARGV[2]] = time[1] + time[2] / 1000000
redis.call('LPUSH', KEYS[3], ARGV[3])
-- As in fire: where nobody finishes them the newest are enough.
local ids = {}
for id in pairs(running) do ids[#ids + 1] = id end
if #ids > 20 then
  table.sort(ids, function(a, b) return (tonumber(running[a]) or 0) < (tonumber(running[b]) or 0) end)
  for i = 1, #ids - 20 do running[ids[i]] = nil end
end
redis.call('HSET', KEYS[2], ARGV[1], cjson.encode(running))
redis.call('HSET', KEYS[4], 'op', 'trigger')
redis.call('EXPIRE', KEYS[4], ARGV[4])
redis.call('HINCRBY', KEYS[6], 'fired', 1)
redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[5], '*', 'e', ARGV[7])
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 1

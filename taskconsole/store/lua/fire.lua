-- Make the tasks of a schedule whose time has come, and say when it comes next: if all is still as the caller saw it.
-- KEYS  1 next (ZSET)  2 schedules (HASH)  3 positions (HASH)  4 running (HASH)  5 buffered (HASH)  6 queue (LIST)
--       7 runs of this schedule (LIST)  8 log (STREAM)  9 stats (HASH)
-- ARGV  1 name  2 its score  3 its definition ("" for none)  4 its position ("" for none)
--       5 next score ("" for none)  6 next position ("" for none)  7 "allow" | "skip" | "buffer_one"
--       8 channel  9 cap of the log ("0": not worth keeping)  10 event when tasks are made
--       11 what was missed (JSON, "" for nothing)  12 event for that  13 how many were missed  14 cap of the runs
--       15 next score when a task was skipped after all ("" for none)
--       16.. groups of three: id, payload, what to note when it is skipped (JSON)
-- Returns {"fired", made, skipped, buffered, least}, {"changed", least} when something has moved on, {"early", now}
--         before its time; least: the least score there is now, "" for none
-- Two callers that saw the same can not both come through: that is what makes one task an instant, without a leader.
local name = ARGV[1]
-- Whoever fires has read some time ago: what has come since is told with the answer.
local function least() return redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or '' end
if redis.call('ZSCORE', KEYS[1], name) ~= ARGV[2]
  or (redis.call('HGET', KEYS[2], name) or '') ~= ARGV[3]
  or (redis.call('HGET', KEYS[3], name) or '') ~= ARGV[4] then return {'changed', least()} end
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
if now < tonumber(ARGV[2]) then return {'early', string.format('%.6f', now)} end
-- Half a fire would be fired again: either all of it can be written or nothing is.
for i, wanted in ipairs({'zset', 'hash', 'hash', 'hash', 'hash', 'list', 'list', 'stream', 'hash'}) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= wanted and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' holds a ' .. kind) end
end
local read, running = pcall(cjson.decode, redis.call('HGET', KEYS[4], name) or '{}')
if not read or type(running) ~= 'table' then running = {} end
for id, since in pairs(running) do
  -- What nobody of ours wrote (a list, a text, an endless number) is no task.
  if type(id) ~= 'string' or type(since) ~= 'number' or since - since ~= 0 then running[id] = nil end
end
local made, skipped, buffered, busy, freed = 0, 0, 0, next(running) ~= nil, false
-- Whatever is written first adds something: out of memory it is refused, and nothing has been done.
local waiting = ARGV[7] == 'allow' and redis.call('HGET', KEYS[5], name)
if waiting then
  -- Nothing waits for the end of another any more, unless somebody has made this one instant by hand.
  local known, definition = pcall(cjson.decode, ARGV[3])
  local overlap = known and type(definition) == 'table' and definition.overlap
  if overlap ~= 'skip' and overlap ~= 'buffer_one' then
    redis.call('LPUSH', KEYS[6], waiting)
    redis.call('HDEL', KEYS[5], name)
    local found, task = pcall(cjson.decode, waiting)
    if found and type(task) == 'table' and type(task.id) == 'string' then running[task.id] = now end
    freed = true
  end
end
for i = 16, #ARGV, 3 do
  if ARGV[7] == 'allow' or not busy then
    redis.call('LPUSH', KEYS[6], ARGV[i + 1])
    running[ARGV[i]] = now
    made, busy = made + 1, true
  elseif ARGV[7] == 'buffer_one' and redis.call('HSETNX', KEYS[5], name, ARGV[i + 1]) == 1 then
    buffered = buffered + 1
  else
    redis.call('LPUSH', KEYS[7], ARGV[i + 2])
    skipped = skipped + 1
  end
end
local following, position = ARGV[5], ARGV[6]
if skipped > 0 then
  -- The caller counted on every task being made; the count comes last in a position.
  position = position:gsub('"fires":(%d+)}$', function(n) return string.format('"fires":%d}', n - skipped) end)
  if following == '' then following = ARGV[15] end
end
if following == '' then redis.call('ZREM', KEYS[1], name) else redis.call('ZADD', KEYS[1], following, name) end
if position == '' then redis.call('HDEL', KEYS[3], name) else redis.call('HSET', KEYS[3], name, position) end
if made > 0 or freed then
  -- Where nobody finishes them the newest are enough.
  local ids = {}
  for id in pairs(running) do ids[#ids + 1] = id end
  if #ids > 20 then
    table.sort(ids, function(a, b) return (tonumber(running[a]) or 0) < (tonumber(running[b]) or 0) end)
    for i = 1, #ids - 20 do running[ids[i]] = nil end
  end
  redis.call('HSET', KEYS[4], name, next(running) and cjson.encode(running) or '{}')
end
if made > 0 then
  redis.call('HINCRBY', KEYS[9], 'fired', made)
  if ARGV[9] ~= '0' then redis.call('XADD', KEYS[8], 'MAXLEN', '~', ARGV[9], '*', 'e', ARGV[10]) end
  redis.call('PUBLISH', ARGV[8], ARGV[10])
end
if ARGV[11] ~= '' then
  redis.call('LPUSH', KEYS[7], ARGV[11])
  redis.call('HINCRBY', KEYS[9], 'missed', ARGV[13])
  if ARGV[9] ~= '0' then redis.call('XADD', KEYS[8], 'MAXLEN', '~', ARGV[9], '*', 'e', ARGV[12]) end
  redis.call('PUBLISH', ARGV[8], ARGV[12])
end
if skipped > 0 then redis.call('HINCRBY', KEYS[9], 'skipped', skipped) end
if skipped > 0 or ARGV[11] ~= '' then redis.call('LTRIM', KEYS[7], 0, ARGV[14] - 1) end
return {'fired', made, skipped, buffered, least()}

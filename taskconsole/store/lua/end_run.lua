-- Note that the task of a schedule is over, when no worker could: it was deleted, or buried by others.
-- KEYS  1 running (HASH)  2 buffered (HASH)  3 queue (LIST)  4 runs of this schedule (LIST)
-- ARGV  1 name  2 id  3 what became of it (JSON)  4 cap of the runs
-- Returns 1, or 0 when it was over before
local read, running = pcall(cjson.decode, redis.call('HGET', KEYS[1], ARGV[1]) or '{}')
if not read or type(running) ~= 'table' or not running[ARGV[2]] then return 0 end
for id, since in pairs(running) do
  -- What nobody of ours wrote (a list, a text, an endless number) is no task.
  if type(id) ~= 'string' or type(since) ~= 'number' or since - since ~= 0 then running[id] = nil end
end
-- A removal must never be followed by a refused insertion.
for i, wanted in ipairs({'hash', 'hash', 'list'}) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= wanted and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' holds a ' .. kind) end
end
local noted = redis.call('TYPE', KEYS[4]).ok
-- Out of memory Redis refuses a script until its first write frees something.
redis.call('HDEL', KEYS[1], ARGV[1])
running[ARGV[2]] = nil
local waiting = next(running) == nil and redis.call('HGET', KEYS[2], ARGV[1])
if waiting then
  redis.call('LPUSH', KEYS[3], waiting)
  redis.call('HDEL', KEYS[2], ARGV[1])
  local found, task = pcall(cjson.decode, waiting)
  local time = redis.call('TIME')
  if found and type(task) == 'table' and type(task.id) == 'string' then
    running[task.id] = time[1] + time[2] / 1000000
  end
end
if next(running) then redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(running)) end
-- A schedule whose past cannot be written has a next instant all the same.
if noted == 'list' or noted == 'none' then
  redis.call('LPUSH', KEYS[4], ARGV[3])
  redis.call('LTRIM', KEYS[4], 0, ARGV[4] - 1)
end
return 1

-- Record attempts that need more than an ack: out of this worker's hands, into the delayed set (retry) or the dead
-- set (bury), or finished as the task of a schedule (done); the end of such a task lets a buffered one go.
-- KEYS  1 processing (LIST)  2 workers (ZSET)  3 worker (HASH)  4 delayed (ZSET)  5 dead (ZSET)  6 stats (HASH)
--       7 log (STREAM)  8 queue (LIST)  9 running (HASH)  10 buffered (HASH)  11 schedules (HASH)
--       12.. runs of a schedule (LIST), one for each group that names a schedule
-- ARGV  1 worker id  2 sequence number  3 cap of the dead set  4 seconds a dead task is kept  5 cap of the log
--       6 channel  7 wake channel  8 cap of the runs
--       9.. groups of eight: "retry" | "bury" | "done", payload held, payload to keep, seconds from now, event,
--           schedule ("" when no task of one has ended), its task's id, what became of it (JSON)
-- Returns {"K", settled, lost}  lost = payloads no longer in the processing list: nothing was recorded for them
--         {"R"}                 carried out before   {"F"}  the lease was reclaimed: nothing done
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return {'F'} end
if tonumber(ARGV[2]) <= tonumber(redis.call('HGET', KEYS[3], 'seq') or '0') then return {'R'} end
local function fits(i, wanted)
  local kind = redis.call('TYPE', KEYS[i]).ok
  return kind == wanted or kind == 'none', kind
end
-- A removal must never be followed by a refused insertion.
local wanted = {[4] = 'zset', [5] = 'zset', [6] = 'hash', [7] = 'stream'}
for i = 4, #KEYS > 11 and 7 or 5 do
  local fit, kind = fits(i, wanted[i])
  if not fit then return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' holds a ' .. kind) end
end
-- What keeps a schedule's books from being written keeps no task in hand: that part of them is left out.
local known = #KEYS > 11 and fits(9, 'hash') and fits(11, 'hash')
local lets_go = known and fits(8, 'list') and fits(10, 'hash')
redis.call('LTRIM', KEYS[1], 0, -1)
redis.call('HSET', KEYS[3], 'seq', ARGV[2])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local settled, lost, buried, retried, runs = 0, 0, 0, 0, 11
for i = 9, #ARGV, 8 do
  local schedule = ARGV[i + 5]
  if schedule ~= '' then runs = runs + 1 end
  if redis.call('LREM', KEYS[1], 1, ARGV[i + 1]) == 1 then
    settled = settled + 1
    if ARGV[i] == 'retry' then
      local due = string.format('%.6f', now + tonumber(ARGV[i + 3]))
      local head = redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')[2]
      redis.call('ZADD', KEYS[4], due, ARGV[i + 2])
      if not head or tonumber(due) < tonumber(head) then redis.call('PUBLISH', ARGV[7], due) end
      retried = retried + 1
    elseif ARGV[i] == 'bury' then
      redis.call('ZADD', KEYS[5], string.format('%.6f', now), ARGV[i + 2])
      buried = buried + 1
    end
    if ARGV[i + 4] ~= '' then
      redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[5], '*', 'e', ARGV[i + 4])
      redis.call('PUBLISH', ARGV[6], ARGV[i + 4])
    end
    -- Anybody may name any schedule in a payload; only those that are there have a past.
    if schedule ~= '' and known and redis.call('HEXISTS', KEYS[11], schedule) == 1 then
      if fits(runs, 'list') then
        redis.call('LPUSH', KEYS[runs], ARGV[i + 7])
        redis.call('LTRIM', KEYS[runs], 0, ARGV[8] - 1)
      end
      local read, running = pcall(cjson.decode, redis.call('HGET', KEYS[9], schedule) or '{}')
      if not read or type(running) ~= 'table' then running = {} end
      for id, since in pairs(running) do
        -- What nobody of ours wrote (a list, a text, an endless number) is no task.
        if type(id) ~= 'string' or type(since) ~= 'number' or since - since ~= 0 then running[id] = nil end
      end
      running[ARGV[i + 6]] = nil
      local waiting = lets_go and next(running) == nil and redis.call('HGET', KEYS[10], schedule)
      if waiting then
        redis.call('LPUSH', KEYS[8], waiting)
        redis.call('HDEL', KEYS[10], schedule)
        local found, task = pcall(cjson.decode, waiting)
        if found and type(task) == 'table' and type(task.id) == 'string' then running[task.id] = now end
      end
      if next(running) then
        redis.call('HSET', KEYS[9], schedule, cjson.encode(running))
      else
        redis.call('HDEL', KEYS[9], schedule)
      end
    end
  else
    lost = lost + 1
  end
end
if retried > 0 then redis.call('HINCRBY', KEYS[6], 'retried', retried) end
if buried > 0 then
  redis.call('HINCRBY', KEYS[6], 'died', buried)
  local dropped = redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now - tonumber(ARGV[4]))
  local over = redis.call('ZCARD', KEYS[5]) - tonumber(ARGV[3])
  if over > 0 then dropped = dropped + redis.call('ZREMRANGEBYRANK', KEYS[5], 0, over - 1) end
  if dropped > 0 then redis.call('HINCRBY', KEYS[6], 'dead_dropped', dropped) end
end
return {'K', settled, lost}

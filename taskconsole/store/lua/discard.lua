-- Free what purges took away, once it is too late for undo: in the background, while Redis goes on answering.
-- KEYS  1 discards (ZSET)  2.. trash and note of each purge, in pairs
-- ARGV  1.. the purges' tokens
-- Returns how many were freed
local time = redis.call('TIME')
local now, freed = time[1] + time[2] / 1000000, 0
for i, token in ipairs(ARGV) do
  local due = redis.call('ZSCORE', KEYS[1], token)
  -- As long as there is a note somebody may be about to take it back.
  if due and tonumber(due) <= now and redis.call('EXISTS', KEYS[2 * i + 1]) == 0 then
    freed = freed + redis.call('UNLINK', KEYS[2 * i])
    redis.call('ZREM', KEYS[1], token)
  end
end
return freed

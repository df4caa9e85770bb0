-- Tasks of schedules that are to run again are unfinished again: the schedule's next one must not overlap them.
-- `payloads` are what will run. Returns what to write into the hash `running`, field by field; writes nothing itself.
local function unfinished(running, schedules, payloads)
  local books, fields = {}, {}
  local time = redis.call('TIME')
  local now = time[1] + time[2] / 1000000
  for _, payload in ipairs(payloads) do
    local found, task = false, nil
    if payload:find('"schedule"', 1, true) then found, task = pcall(cjson.decode, payload) end
    local name = found and type(task) == 'table' and type(task.id) == 'string' and task.schedule
    if type(name) == 'string' and redis.call('HEXISTS', schedules, name) == 1 then
      if not books[name] then
        local read, book = pcall(cjson.decode, redis.call('HGET', running, name) or '{}')
        books[name] = read and type(book) == 'table' and book or {}
        fields[#fields + 1] = name
      end
      local before = books[name]
      before[task.id] = now
      -- What somebody else wrote may be read and yet not be written.
      if not pcall(cjson.encode, before) then books[name] = {[task.id] = now} end
    end
  end
  local out = {}
  for _, name in ipairs(fields) do
    out[#out + 1] = name
    out[#out + 1] = cjson.encode(books[name])
  end
  return out
end

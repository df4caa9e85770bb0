-- The event of an action on several tasks, without those that had gone: `done` has a "1" for each task it was done to.
local function told(event, done)
  if not done:find('0', 1, true) then return event end
  local body, named = cjson.decode(event), {}
  for i, task in ipairs(body.tasks or {}) do
    if done:sub(i, i) == '1' then named[#named + 1] = task end
  end
  body.n = select(2, done:gsub('1', ''))
  body.tasks = #named > 0 and named or nil
  return cjson.encode(body)
end

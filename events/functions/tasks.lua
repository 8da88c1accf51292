-- What the task runs of a run sum up to, task by task: kept with each record, so that nobody has to
-- read a hundred thousand of them to show how the run stands.

-- Different lists of tasks that runs of one task came after, as far as they are told.
local MOST_AFTER = 64

-- A string of JSON that begins at a place; nil where something is escaped in it.
local function plain(body, at)
  return string.match(body, '^"([^"\\]*)"', at)
end

-- Returns what counts of a record: its task, its state's name, the lists and times in it; nil for a
-- record of another form. What people wrote stands before the state only within strings, in which
-- quotes are escaped, and their result behind all this.
local function facts(body)
  local _, at = string.find(body, '"task":', 1, true)
  local from, till, state = string.find(body, '"state":{"type":"%a+","name":"(%a+)"', at)
  if not (at and state) then return nil end
  local task = plain(body, at + 1) or cjson.decode(body).task
  local head, after = string.sub(body, at, from - 2), nil
  local _, listed = string.find(head, '"after":[', 1, true)
  if listed then after = string.sub(head, listed) end
  local created, started, ended = string.match(body, '"created":"([^"]*)","started":"?([^",]*)"?,"ended":"?([^",}]*)', till)
  return {task = task, state = state, after = after, created = created, started = started, ended = ended}
end

local function is_time(text)
  return text and text ~= '' and text ~= 'null'
end

local function sum_of(root, run, task)
  local kept = redis.call('HGET', root .. ':sums:' .. run, task)
  if kept then return cjson.decode(kept) end
  return {runs = 0, states = {}, after = {}, lists = 0}
end

local function add_after(sum, after)
  if not after or sum.after[after] or sum.lists >= MOST_AFTER then return end
  sum.after[after], sum.lists = 1, sum.lists + 1
end

-- Moves a task run from the state of its record before to that of its record now.
local function add_task(root, run, sums, before, body)
  local now = facts(body)
  if not now then return end
  local sum = sums[now.task] or sum_of(root, run, now.task)
  sums[now.task] = sum
  local left = before and string.match(before, '"state":{"type":"%a+","name":"(%a+)"')
  if not before then sum.runs = sum.runs + 1 end
  if left and sum.states[left] then sum.states[left] = sum.states[left] > 1 and sum.states[left] - 1 or nil end
  sum.states[now.state] = (sum.states[now.state] or 0) + 1
  add_after(sum, now.after)
  if is_time(now.created) and not (sum.created and sum.created <= now.created) then sum.created = now.created end
  if is_time(now.started) and not (sum.started and sum.started <= now.started) then sum.started = now.started end
  if is_time(now.ended) and not (sum.ended and sum.ended >= now.ended) then sum.ended = now.ended end
end

local function keep_sums(root, run, sums)
  for task, sum in pairs(sums) do redis.call('HSET', root .. ':sums:' .. run, task, cjson.encode(sum)) end
end

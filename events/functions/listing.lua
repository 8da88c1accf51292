-- Where runs are listed and counted: under their state, their flow, their deployment, the run that
-- they are a part of, and their name. Nothing is read of all the runs there are to show some of them.

-- What a run is counted under: by its flow and its deployment, its state's type, and the state's
-- name where that says more.
local function name_of(kind, state)
  local name = string.match(state or '', '"name":"(%a+)"')
  return name ~= kind and name or nil
end

local function counted(root, of, kind, state)
  local keys, name = {}, name_of(kind, state)
  for place, what in ipairs({':flow:', ':deployment:'}) do
    if of[place] ~= '' then
      keys[#keys + 1] = root .. ':runs:' .. kind .. what .. of[place]
      if name then keys[#keys + 1] = root .. ':runs:' .. name .. what .. of[place] end
    end
  end
  return keys
end

-- Of which flow and deployment a run is, of which run it is a part, and its name.
local function whose(root, id)
  local of = redis.call('HMGET', root .. ':run:' .. id, 'flow', 'deployment', 'parent', 'name')
  return {of[1] or '', of[2] or '', of[3] or '', of[4] or ''}
end

-- Runs of a name stand together, the older first; no name has the byte between the parts.
local function place_of_name(of, made, id)
  return of[4] .. '\255' .. string.format('%015.0f', made) .. '\255' .. id
end

-- Lists a run under what never changes, at the moment at which it was made.
local function list(root, id, of, made)
  for place, what in ipairs({':flow:', ':deployment:', ':parent:'}) do
    if of[place] ~= '' then redis.call('ZADD', root .. ':made' .. what .. of[place], made, id) end
  end
  if of[1] ~= '' then redis.call('SADD', root .. ':flows', of[1]) end
  if of[4] ~= '' then redis.call('ZADD', root .. ':names', 0, place_of_name(of, made, id)) end
end

local function unlist(root, id, of, made)
  for place, what in ipairs({':flow:', ':deployment:', ':parent:'}) do
    if of[place] ~= '' then redis.call('ZREM', root .. ':made' .. what .. of[place], id) end
  end
  if redis.call('EXISTS', root .. ':made:flow:' .. of[1]) == 0 then redis.call('SREM', root .. ':flows', of[1]) end
  if of[4] ~= '' then redis.call('ZREM', root .. ':names', place_of_name(of, made, id)) end
end

-- Under its state it is counted by when it entered that, and listed by when it was made.
local function list_state(root, id, kind, state, made)
  local name = name_of(kind, state)
  redis.call('ZADD', root .. ':made:state:' .. kind, made, id)
  if name then redis.call('ZADD', root .. ':made:state:' .. name, made, id) end
end

local function unlist_state(root, id, kind, state)
  local name = name_of(kind, state)
  redis.call('ZREM', root .. ':made:state:' .. kind, id)
  if name then redis.call('ZREM', root .. ':made:state:' .. name, id) end
end

local function enter_lists(root, id, of, kind, state, now)
  for _, key in ipairs(counted(root, of, kind, state)) do redis.call('ZADD', key, now, id) end
  list_state(root, id, kind, state, redis.call('ZSCORE', root .. ':runs', id) or integer(now))
end

local function leave_lists(root, id, of, kind, state)
  for _, key in ipairs(counted(root, of, kind, state)) do redis.call('ZREM', key, id) end
  unlist_state(root, id, kind, state)
end

-- upshot_name_run root | id, epoch, name, doc
-- Touches: run:<id>, names. A run's own process gives it the name and the tags that its code says. Returns 1.
redis.register_function{function_name='upshot_name_run', flags={'allow-oom'}, callback=function(keys, args)
  local root, id = keys[1], args[1]
  local key, made = root .. ':run:' .. id, number(redis.call('ZSCORE', root .. ':runs', id))
  local run = redis.call('HMGET', key, 'epoch', 'name')
  if not run[1] then return refuse('MISSING', 'no run ' .. id) end
  if run[1] ~= args[2] then return refuse('STALE', 'run ' .. id .. ' is at epoch ' .. run[1]) end
  redis.call('ZREM', root .. ':names', place_of_name({'', '', '', run[2] or ''}, made, id))
  redis.call('ZADD', root .. ':names', 0, place_of_name({'', '', '', args[3]}, made, id))
  redis.call('HSET', key, 'name', args[3], 'doc', args[4])
  return 1
end}

-- upshot_list_older root | limit
-- Touches: unlisted, run:<id>, runs:<state>:<of>, made:<of>, flows, names. Lists and counts runs that
-- version 3 or an older one has made, where that did not do it, so many in one call. Returns how
-- many are left; 0 where all are listed, which is noted in ``meta``.
local function list_older(root, id)
  local key, made = root .. ':run:' .. id, number(redis.call('ZSCORE', root .. ':runs', id))
  local run = redis.call('HMGET', key, 'type', 'state', 'doc', 'flow')
  if not run[1] then return end
  local told = cjson.decode(run[3] or '{}')
  local of = {told.flow, told.deployment, told.parent, told.name}
  for place = 1, 4 do of[place] = type(of[place]) == 'string' and of[place] or '' end
  if not run[4] then redis.call('HSET', key, 'flow', of[1], 'deployment', of[2]) end
  redis.call('HSET', key, 'parent', of[3], 'name', of[4])
  list(root, id, of, made)
  list_state(root, id, run[1], run[2], made)
  if run[4] then return end
  local entered = redis.call('ZSCORE', root .. ':runs:' .. run[1], id)
  for _, counts in ipairs(counted(root, of, run[1], run[2])) do redis.call('ZADD', counts, entered or made, id) end
end

redis.register_function{function_name='upshot_list_older', flags={'allow-oom'}, callback=function(keys, args)
  local root = keys[1]
  if redis.call('HEXISTS', root .. ':meta', 'listed') == 1 then return 0 end
  if redis.call('EXISTS', root .. ':unlisted') == 0 then redis.call('ZUNIONSTORE', root .. ':unlisted', 1, root .. ':runs') end
  local some = redis.call('ZPOPMIN', root .. ':unlisted', args[1])
  for i = 1, #some, 2 do list_older(root, some[i]) end
  local left = redis.call('ZCARD', root .. ':unlisted')
  if left == 0 then redis.call('HSET', root .. ':meta', 'listed', '1') end
  return left
end}

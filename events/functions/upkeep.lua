-- Upkeep: what nobody finished goes to somebody else, workers come and go, what is long over is forgotten.

-- upshot_redeliver root | stream, group, entry, field, value
-- Touches: <stream>. Moves a delivered entry that nobody finished to the end of its stream.
-- Returns 1, or 0 when it was finished meanwhile.
redis.register_function{function_name='upshot_redeliver', flags={'allow-oom'}, callback=function(keys, args)
  local key = keys[1] .. ':' .. args[1]
  if not take_back(key, args[2], args[3]) then return 0 end
  redis.call('XADD', key, '*', args[4], args[5])
  return 1
end}

-- upshot_requeue root | pool, entry, run that the entry names
-- Touches: as upshot_pick, queue:<pool>. What a worker left behind: the run that it had an entry for goes
-- to the end of its queue, if it still waits and is not due later; where it had not come to choose
-- one, another worker is called. Returns 1 where something waits for that, or 0.
redis.register_function{function_name='upshot_requeue', flags={'allow-oom'}, callback=function(keys, args)
  local root, pool = keys[1], args[1]
  local picked = redis.call('HGET', root .. ':picks:' .. pool, args[2])
  if not finish_entry(root, pool, args[2]) then return 0 end
  local mine = picked or not redis.call('HGET', root .. ':run:' .. args[3], 'place') and args[3]
  if mine and string.sub(mine, 1, 1) == TELLS then
    untell(root, pool, string.sub(mine, 2))
    mine = nil
  end
  local before, again = redis.call('XLEN', root .. ':queue:' .. pool), mine and still_waits(root, mine)
  if again then
    vacate(root, mine)
    if not is_ready(root, mine, pool) then enqueue(root, mine, pool) end
  end
  call_workers(root, pool)
  return (again or redis.call('XLEN', root .. ':queue:' .. pool) > before) and 1 or 0
end}

-- upshot_mark_late root | id, version, event, state
-- Touches: run:<id>, on-time, log, runs:<state>:<of>, made:<of>, counters. A run that nobody took in time is Late. That
-- changes nothing else, its version neither: whoever takes it at this moment does. Returns 1, or 0 where it was taken.
redis.register_function{function_name='upshot_mark_late', flags={'allow-oom'}, callback=function(keys, args)
  local root, id = keys[1], args[1]
  local key = root .. ':run:' .. id
  local run = redis.call('HMGET', key, 'type', 'flow', 'deployment', 'state', 'version')
  if run[1] ~= 'Scheduled' or run[5] ~= args[2] or redis.call('ZREM', root .. ':on-time', id) == 0 then return 0 end
  append(root, args[3])
  local of = {run[2] or '', run[3] or ''}
  leave_lists(root, id, of, 'Scheduled', run[4])
  redis.call('HSET', key, 'state', args[4])
  enter_lists(root, id, of, 'Scheduled', args[4], now_ms())
  count(root, 'run_transitions:flow-run:Scheduled', 1)
  return 1
end}

-- upshot_show_worker root | name, record, starting 0|1, event
-- Touches: workers, log. A worker says that it is alive; the event is for one that was not there.
redis.register_function{function_name='upshot_show_worker', flags={'allow-oom'}, callback=function(keys, args)
  local key = keys[1] .. ':workers'
  local news = args[3] == '1' or redis.call('HEXISTS', key, args[1]) == 0
  if news then append(keys[1], args[4]) end
  redis.call('HSET', key, args[1], args[2])
  return news and 1 or 0
end}

-- upshot_drop_worker root | name, record, event
-- Touches: workers, log. Only while the record is still the one given. Returns 1 or 0.
redis.register_function{function_name='upshot_drop_worker', flags={'allow-oom'}, callback=function(keys, args)
  local key = keys[1] .. ':workers'
  if redis.call('HGET', key, args[1]) ~= args[2] then return 0 end
  append(keys[1], args[3])
  redis.call('HDEL', key, args[1])
  return 1
end}

-- upshot_drain_worker root | name, event
-- Touches: workers, drains, log. A worker is asked to take no more runs and to leave. Returns 1, or 0
-- when it was asked before.
redis.register_function{function_name='upshot_drain_worker', flags={'allow-oom'}, callback=function(keys, args)
  if redis.call('HEXISTS', keys[1] .. ':workers', args[1]) == 0 then return refuse('MISSING', 'no worker ' .. args[1]) end
  local news = redis.call('SADD', keys[1] .. ':drains', args[1])
  if news == 1 then append(keys[1], args[2]) end
  return news
end}

-- upshot_hand_over root | run id, epoch
-- Touches: run:<id>. The worker that has a run leaves: when the run's process ends now, another one
-- goes on with it. Returns 1, or 0 where there is nothing to go on with.
redis.register_function{function_name='upshot_hand_over', flags={'allow-oom'}, callback=function(keys, args)
  local key = keys[1] .. ':run:' .. args[1]
  local run = redis.call('HMGET', key, 'type', 'epoch')
  if not run[1] then return refuse('MISSING', 'no run ' .. args[1]) end
  if run[2] ~= args[2] then return refuse('STALE', 'run ' .. args[1] .. ' is at epoch ' .. run[2]) end
  if run[1] ~= 'Pending' and run[1] ~= 'Running' then return 0 end
  redis.call('HSET', key, 'handed', '1')
  return 1
end}

-- Notes the newest moment of anything forgotten: lists look for older things in the archive, too.
local function forgot(root, what, ms)
  if number(ms) > number(redis.call('HGET', root .. ':forgotten', what)) then
    redis.call('HSET', root .. ':forgotten', what, integer(number(ms)))
  end
end

-- upshot_forget_runs root | before_ms, limit
-- Touches: run:<id>, tasks:<id>, order:<id>, sums:<id>, logs:<id>, transactions:<id>, open, open:<id>, files:<id>, holds:<id>, held,
-- litter, runs, runs:<type>,
-- runs:<state>:<of>, made:<of>, names, forgotten, and the artifacts of data.lua. Drops runs that ended before then and did not start again,
-- and of which the archive has everything; what files they left is litter. Returns how many.
local function forget_files(root, id)
  for _, folder in ipairs(redis.call('SMEMBERS', root .. ':files:' .. id)) do
    redis.call('SADD', root .. ':litter', 'run ' .. folder .. '/' .. id)
  end
  let_go_all(root, id)
  redis.call('UNLINK', root .. ':files:' .. id, root .. ':transactions:' .. id, root .. ':open:' .. id)
  redis.call('SREM', root .. ':open', id)
end

redis.register_function{function_name='upshot_forget_runs', flags={'allow-oom'}, callback=function(keys, args)
  local root, forgotten = keys[1], 0
  local bound = forgettable(root, args[1])
  for kind in pairs(ENDED) do
    local index = root .. ':runs:' .. kind
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', bound, 'LIMIT', 0, args[2])) do
      forgot(root, 'runs', redis.call('ZSCORE', root .. ':runs', id))
      local of = whose(root, id)
      unlist(root, id, of, number(redis.call('ZSCORE', root .. ':runs', id)))
      leave_lists(root, id, of, kind, redis.call('HGET', root .. ':run:' .. id, 'state'))
      redis.call('UNLINK', root .. ':run:' .. id, root .. ':tasks:' .. id, root .. ':order:' .. id, root .. ':sums:' .. id, root .. ':logs:' .. id)
      forget_files(root, id)
      forget_artifacts(root, id)
      redis.call('ZREM', index, id)
      redis.call('ZREM', root .. ':runs', id)
      forgotten = forgotten + 1
    end
  end
  return forgotten
end}

-- upshot_forget_firings root | before_ms, limit
-- Touches: firing:<id>, firings, forgotten. As upshot_forget_runs. Returns how many.
redis.register_function{function_name='upshot_forget_firings', flags={'allow-oom'}, callback=function(keys, args)
  local root = keys[1]
  local bound = forgettable(root, args[1])
  local old = redis.call('ZRANGEBYSCORE', root .. ':firings', '-inf', bound, 'WITHSCORES', 'LIMIT', 0, args[2])
  for i = 1, #old, 2 do
    forgot(root, 'firings', old[i + 1])
    redis.call('UNLINK', root .. ':firing:' .. old[i])
    redis.call('ZREM', root .. ':firings', old[i])
  end
  return #old / 2
end}

-- upshot_forget_letters root | before_ms, most, limit
-- Touches: dead-letters. Drops the oldest dead letters: those from before then, and those beyond so many.
-- Returns how many.
redis.register_function{function_name='upshot_forget_letters', flags={'allow-oom'}, callback=function(keys, args)
  local key, before, gone = keys[1] .. ':dead-letters', tonumber(args[1]), {}
  local beyond = redis.call('XLEN', key) - tonumber(args[2])
  for n, entry in ipairs(redis.call('XRANGE', key, '-', '+', 'COUNT', args[3])) do
    if n > beyond and tonumber(string.match(entry[1], '^%d+')) >= before then break end
    gone[n] = entry[1]
  end
  if #gone > 0 then redis.call('XDEL', key, unpack(gone)) end
  return #gone
end}

-- upshot_upgrade root
-- Touches: pools, line:<limit>, asked:<run>, run:<id>, log, and of each pool as upshot_pick. Brings what older versions
-- have stored to the form of now: runs that stood in line for a limit of their pool wait in its queue.
-- Returns how many these were; done again it finds nothing.
local function leave_line(root, pool, token, ask)
  local id, names = string.match(token, '^([^/]+)/'), give_up(root, token)
  tell_acquired(root, ask)
  if still_waits(root, id) and not is_ready(root, id, pool) then enqueue(root, id, pool) end
  return names
end

redis.register_function{function_name='upshot_upgrade', flags={'allow-oom'}, callback=function(keys, args)
  local root, left, names = keys[1], 0, {}
  for _, pool in ipairs(redis.call('SMEMBERS', root .. ':pools')) do
    for _, token in ipairs(redis.call('ZRANGE', root .. ':line:' .. limit_of_pool(pool), 0, -1)) do
      local ask = asked_for(root, token)
      if ask and ask.pool == pool then
        left = left + 1
        for _, name in ipairs(leave_line(root, pool, token, ask)) do names[#names + 1] = name end
      end
    end
  end
  advance(root, names)
  return left
end}

-- Limits: at most so many at a time, and at most so many in a time, across all processes. Who has to
-- wait stands in line. Each line is served in order; nobody is let past its first. Runs that wait for
-- a limit of their pool or queue stand in no line: they have their places in the queue.

local function stand_in_line(root, token, ask, priority)
  local place = place_in_line(root, priority)
  for _, name in ipairs(ask.limits) do
    redis.call('ZADD', root .. ':line:' .. name, place, token)
  end
  note_asked(root, token, ask)
end

-- Who was in line has its slots now: its process is woken, or the run goes to its queue.
local function grant(root, token, ask)
  take(root, token, ask)
  tell_acquired(root, ask)
  local run = string.match(token, '^([^/]+)/')
  if ask.pool ~= '' then return enqueue(root, run, ask.pool) end
  redis.call('RPUSH', root .. ':granted:' .. run, token)
  redis.call('EXPIRE', root .. ':granted:' .. run, WAKING_SECONDS)
end

-- Grants its slots to who is first in the line of a limit, if there is room; returns what it asked for.
local function serve_first(root, name)
  local token = redis.call('ZRANGE', root .. ':line:' .. name, 0, 0)[1]
  if not token then return nil end
  local ask = asked_for(root, token)
  if not ask then
    redis.call('ZREM', root .. ':line:' .. name, token)
    return serve_first(root, name)
  end
  if lacking(root, token, ask) then return nil end
  grant(root, token, ask)
  return ask
end

-- Serves the lines of these limits, and of those that this makes room in; calls workers for runs of
-- pools and queues.
local function advance(root, names)
  local i, called = 1, {}
  while names[i] do
    local pool = pool_of_limit(names[i])
    if pool and not called[pool] then
      call_workers(root, pool)
      called[pool] = true
    end
    local ask = not pool and serve_first(root, names[i])
    for _, other in ipairs(ask and ask.limits or {}) do
      if other ~= names[i] then names[#names + 1] = other end
    end
    if not ask then i = i + 1 end
  end
end

local function release_run(root, id)
  local names = {}
  for _, token in ipairs(redis.call('HKEYS', root .. ':asked:' .. id)) do
    for _, name in ipairs(abandon(root, token)) do names[#names + 1] = name end
  end
  if #names > 0 then advance(root, names) end
end

local function asking(root, names, slots, pool, told)
  local ask = {limits = {}, slots = slots, pool = pool, told = told, since = now_ms(), held = false}
  local stored = names[1] and redis.call('HMGET', root .. ':docs:limit', unpack(names))
  for i, name in ipairs(names) do
    if slots_of(root, name, stored[i]) then ask.limits[#ask.limits + 1] = name end
  end
  return ask
end

-- Lets a run begin where its deployment, its pool and its queue have room; else returns the limit's name.
-- One that its worker has chosen has its slots of the latter, unless that was taken for dead meanwhile.
local function admit(root, id, deployment, pool, queue)
  local token, queued = id .. '/', asked_for(root, id .. QUEUED)
  local ask = asked_for(root, token) or {limits = {'deployment:' .. deployment}, slots = 1, pool = pool, told = '', since = 0}
  local to_ask = deployment ~= '' and not ask.held
  local full = to_ask and lacking(root, token, ask)
  if full then return full end
  if pool ~= '' and not (queued and queued.held) then
    local free, limit = room(root, pool, standing(root, pool), queue)
    if free <= 0 then return limit or limit_of_queue(pool, queue) end
    occupy(root, id, pool, queue)
  end
  if to_ask then take(root, token, ask) end
end

-- A run that stands in line has no slots of its pool and queue meanwhile, and no place in the queue.
local function leave_queue(root, id)
  local run = redis.call('HMGET', root .. ':run:' .. id, 'pool', 'queue')
  dequeue(root, id, run[1], run[2])
  advance(root, vacate(root, id))
end

-- upshot_acquire root | run id, epoch or '', token, slots, priority, wait 0|1, pool or '', reached event,
--   acquired event up to its payload, limit*
-- Touches: docs:limit, docs:deployment, run:<id>, slots:<limit>, line, line:<limit>, asked:<run>, log, and of a pool
-- as upshot_pick. All limits or none. Asking again for a token answers how it stands. The epoch is that of a process
-- that asks; a run that waits for a worker (in a pool) goes to its queue when it is its turn.
-- Returns 2 nothing limits, 1 has the slots, 0 stands in line, -1 would have to, -2 never could.
redis.register_function{function_name='upshot_acquire', flags={'allow-oom'}, callback=function(keys, args)
  local root, id, token, slots = keys[1], args[1], args[3], tonumber(args[4])
  local run = redis.call('HMGET', root .. ':run:' .. id, 'epoch', 'type')
  if not run[1] then return refuse('MISSING', 'no run ' .. id) end
  if args[2] ~= '' and args[2] ~= run[1] then return refuse('STALE', 'run ' .. id .. ' is at epoch ' .. run[1]) end
  if args[2] == '' and run[2] ~= 'Scheduled' then return refuse('CONFLICT', 'run ' .. id .. ' is ' .. run[2]) end
  local there = asked_for(root, token)
  if there and not there.held and args[2] == '' then leave_queue(root, id) end
  if there then return there.held and 1 or 0 end
  local names = {unpack(args, 10)}
  local ask = asking(root, names, slots, args[7], args[9])
  if #ask.limits == 0 then return 2 end
  for _, name in ipairs(ask.limits) do
    if slots > slots_of(root, name) then return -2 end
  end
  if not lacking(root, token, ask) then take(root, token, ask) return 1 end
  if args[6] == '0' then return -1 end
  stand_in_line(root, token, ask, tonumber(args[5]))
  append(root, args[8])
  if args[2] == '' then leave_queue(root, id) end
  return 0
end}

-- upshot_release root | token*
-- Touches: slots:<limit>, line:<limit>, asked:<run>, granted:<run>, queue:<pool>, pools, log. Gives
-- slots back, or a place in line up; who is next gets theirs.
redis.register_function{function_name='upshot_release', flags={'allow-oom'}, callback=function(keys, args)
  local names = {}
  for _, token in ipairs(args) do
    for _, name in ipairs(abandon(keys[1], token)) do names[#names + 1] = name end
  end
  advance(keys[1], names)
  return 1
end}

-- upshot_serve_lines root | limit*
-- Touches: as upshot_release. After a limit was changed.
redis.register_function{function_name='upshot_serve_lines', flags={'allow-oom'}, callback=function(keys, args)
  advance(keys[1], {unpack(args)})
  return 1
end}

-- upshot_reset_limit root | limit
-- Touches: as upshot_release. Takes the slots of a limit from all that have some. Returns how many.
redis.register_function{function_name='upshot_reset_limit', flags={'allow-oom'}, callback=function(keys, args)
  local tokens = redis.call('HKEYS', keys[1] .. ':slots:' .. args[1])
  for _, token in ipairs(tokens) do give_up(keys[1], token) end
  advance(keys[1], {args[1]})
  return #tokens
end}

-- upshot_rate root | slots, most ms to wait or -1, reached event, limit*
-- Touches: docs:limit, rate:<limit>, log. Each limit lets its slots through at once, then so many a
-- second; who comes has its time, one after the other. Returns the ms until then, -1 where that is
-- too long, -2 where nothing limits.
redis.register_function{function_name='upshot_rate', flags={'allow-oom'}, callback=function(keys, args)
  local root, now, longest, times = keys[1], now_ms(), -2, {}
  for i = 4, #args do
    local told = defined(root, 'limit', args[i])
    if told and told.active and type(told.slot_decay_per_second) == 'number' then
      local each = 1000 / told.slot_decay_per_second
      local key = root .. ':rate:' .. args[i]
      local free = math.max(now, number(redis.call('GET', key))) + tonumber(args[1]) * each
      times[#times + 1] = {key, free}
      longest = math.max(longest, 0, math.ceil(free - told.limit * each - now))
    end
  end
  if longest > tonumber(args[2]) and tonumber(args[2]) >= 0 then return -1 end
  for _, time in ipairs(times) do
    redis.call('SET', time[1], string.format('%.3f', time[2]), 'PX', integer(math.ceil(time[2] - now) + 1000))
  end
  if longest > 0 then append(root, args[3]) end
  return longest
end}

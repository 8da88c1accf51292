-- Limits: at most so many at a time, and at most so many in a time, across all processes.
-- A token, `<run>/<what of it>`, has slots or stands in line for some, until it is released, or its
-- run ends or loses its process. Each line is served in order; nobody is let past its first.

-- Returns how many slots a limit has; nil where nothing limits. Who has looked for its definition
-- gives what is stored, or false.
local function slots_of(root, name, stored)
  if stored == nil then stored = redis.call('HGET', root .. ':docs:limit', name) end
  local told = stored and definition(stored)
  if told then return told.active and told.limit or nil end
  local deployment = string.match(name, '^deployment:(.*)$')
  told = deployment and defined(root, 'deployment', deployment)
  local pool = string.match(name, '^work%-pool:(.*)$')
  told = pool and defined(root, 'work-pool', pool) or told
  local limit = told and told.concurrency_limit
  if type(limit) == 'number' then return limit end
  return type(limit) == 'table' and limit.limit or nil
end

local function asked_key(root, token)
  return root .. ':asked:' .. string.match(token, '^([^/]+)/')
end

local function asked_for(root, token)
  local stored = redis.call('HGET', asked_key(root, token), token)
  return stored and cjson.decode(stored)
end

-- Returns the first limit in which there is no room for a token yet, or nil.
local function lacking(root, token, ask)
  for _, name in ipairs(ask.limits) do
    local most = slots_of(root, name)
    if most then
      local first = redis.call('ZRANGE', root .. ':line:' .. name, 0, 0)[1]
      if first and first ~= token then return name end
      if used_of(root, name) + ask.slots > most then return name end
    end
  end
end

local function take(root, token, ask)
  for _, name in ipairs(ask.limits) do
    redis.call('ZREM', root .. ':line:' .. name, token)
    redis.call('HSET', root .. ':slots:' .. name, token, ask.slots)
  end
  ask.held = true
  redis.call('HSET', asked_key(root, token), token, cjson.encode(ask))
end

local function stand_in_line(root, token, ask, priority)
  local place = place_in_line(root, priority)
  for _, name in ipairs(ask.limits) do
    redis.call('ZADD', root .. ':line:' .. name, place, token)
  end
  redis.call('HSET', asked_key(root, token), token, cjson.encode(ask))
end

-- Who was in line has its slots now: its process is woken, or the run goes to its queue.
local function grant(root, token, ask)
  local waited = integer(now_ms() - ask.since)
  take(root, token, ask)
  append(root, ask.told .. '{"waited_ms":' .. waited .. ',"slots":' .. integer(ask.slots) .. '}}')
  local run = string.match(token, '^([^/]+)/')
  if ask.pool ~= '' then return enqueue(root, run, ask.pool) end
  redis.call('RPUSH', root .. ':granted:' .. run, token)
  redis.call('EXPIRE', root .. ':granted:' .. run, WAKING_SECONDS)
end

-- Serves the lines of these limits, and of those that this makes room in.
local function advance(root, names)
  local i = 1
  while names[i] do
    local pool = string.match(names[i], '^work%-queue:(.*)/[^/]*$')
    if pool then call_workers(root, pool) end
    local first = redis.call('ZRANGE', root .. ':line:' .. names[i], 0, 0)[1]
    local ask = first and asked_for(root, first)
    if first and not ask then
      redis.call('ZREM', root .. ':line:' .. names[i], first)
    elseif ask and not lacking(root, first, ask) then
      grant(root, first, ask)
      for _, other in ipairs(ask.limits) do
        if other ~= names[i] then names[#names + 1] = other end
      end
    else
      i = i + 1
    end
  end
end

local function give_up(root, token)
  local ask = asked_for(root, token)
  if not ask then return {} end
  redis.call('HDEL', asked_key(root, token), token)
  for _, name in ipairs(ask.limits) do
    redis.call('HDEL', root .. ':slots:' .. name, token)
    redis.call('ZREM', root .. ':line:' .. name, token)
  end
  return ask.limits
end

local function release_run(root, id)
  local names = {}
  for _, token in ipairs(redis.call('HKEYS', root .. ':asked:' .. id)) do
    for _, name in ipairs(give_up(root, token)) do names[#names + 1] = name end
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

-- Lets a run begin, where its deployment and its pool have room; else returns the limit's name.
local function admit(root, id, deployment, pool)
  local token, names = id .. '/', {}
  local there = asked_for(root, token)
  if there and there.held then return nil end
  if deployment ~= '' then names[1] = 'deployment:' .. deployment end
  if pool ~= '' then names[#names + 1] = 'work-pool:' .. pool end
  local ask = there or asking(root, names, 1, pool, '')
  if #ask.limits == 0 then return nil end
  local full = lacking(root, token, ask)
  if full then return full end
  take(root, token, ask)
end

-- Gives a run that goes to a worker the slot of its queue.
local function take_queued(root, id, limit)
  take(root, id .. QUEUED, {limits = {limit}, slots = 1, pool = '', told = '', since = now_ms()})
end

-- upshot_pick root | pool, entry, run that the entry names
-- Touches: docs:work-pool, ready:<pool>/<queue>, queues:<pool>, picks:<pool>, run:<id>, due, slots:<limit>,
-- asked:<run>, queue:<pool>. Decides which run a worker begins with that has an entry of the pool's stream: the one it
-- was for already, or else the next. An entry from before there were queues is for the run that it
-- names. Returns nothing, and drops the entry, where none may begin; else the run's id, its place in due or '', its fields.
redis.register_function{function_name='upshot_pick', flags={'allow-oom'}, callback=function(keys, args)
  local root, pool, picks = keys[1], args[1], keys[1] .. ':picks:' .. args[1]
  local id = redis.call('HGET', picks, args[2])
  if not id then
    local found = next_run(root, pool)
    if found then
      id = found.id
      redis.call('ZREM', ready(root, pool, found.queue), id)
      if found.limit then take_queued(root, id, found.limit) end
    elseif not redis.call('HGET', root .. ':run:' .. args[3], 'place') then
      id = args[3]
    else
      finish_entry(root, pool, args[2])
      return {}
    end
    redis.call('HSET', picks, args[2], id)
  end
  return {id, redis.call('ZSCORE', root .. ':due', id) or '', redis.call('HGETALL', root .. ':run:' .. id)}
end}

-- upshot_acquire root | run id, epoch or '', token, slots, priority, wait 0|1, pool or '', reached event,
--   acquired event up to its payload, limit*
-- Touches: docs:limit, docs:deployment, docs:work-pool, run:<id>, slots:<limit>, line, line:<limit>, asked:<run>, log.
-- All limits or none. Asking again for a token answers how it stands. The epoch is that of a process
-- that asks; a run that waits for a worker (in a pool) goes to its queue when it is its turn, and has
-- no slot of the queue meanwhile.
-- Returns 2 nothing limits, 1 has the slots, 0 stands in line, -1 would have to, -2 never could.
redis.register_function{function_name='upshot_acquire', flags={'allow-oom'}, callback=function(keys, args)
  local root, id, token, slots = keys[1], args[1], args[3], tonumber(args[4])
  local run = redis.call('HMGET', root .. ':run:' .. id, 'epoch', 'type')
  if not run[1] then return refuse('MISSING', 'no run ' .. id) end
  if args[2] ~= '' and args[2] ~= run[1] then return refuse('STALE', 'run ' .. id .. ' is at epoch ' .. run[1]) end
  if args[2] == '' and run[2] ~= 'Scheduled' then return refuse('CONFLICT', 'run ' .. id .. ' is ' .. run[2]) end
  local there = asked_for(root, token)
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
  if args[2] == '' then advance(root, give_up(root, id .. QUEUED)) end
  return 0
end}

-- upshot_release root | token*
-- Touches: slots:<limit>, line:<limit>, asked:<run>, granted:<run>, queue:<pool>, pools, log. Gives
-- slots back, or a place in line up; who is next gets theirs.
redis.register_function{function_name='upshot_release', flags={'allow-oom'}, callback=function(keys, args)
  local names = {}
  for _, token in ipairs(args) do
    for _, name in ipairs(give_up(keys[1], token)) do names[#names + 1] = name end
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

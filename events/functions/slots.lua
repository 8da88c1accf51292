-- Slots of limits: how many there are, who has some, and what each has asked for. A token,
-- `<run>/<what of it>`, has slots or waits for some, until it is released, or its run ends or loses
-- its process. Runs have slots whether anything limits them or not: a limit that is defined
-- later counts what is under way.

local function limit_of_pool(pool)
  return 'work-pool:' .. pool
end

local function limit_of_queue(pool, queue)
  return 'work-queue:' .. pool .. '/' .. queue
end

-- Returns the pool whose runs a limit is for, where it is for those of a pool or of one of its queues.
local function pool_of_limit(name)
  return string.match(name, '^work%-pool:(.*)$') or string.match(name, '^work%-queue:(.*)/[^/]*$')
end

-- Returns how many runs of a deployment or pool may be under way, as it is defined; nil without a limit.
local function most_of(told)
  local limit = told and told.concurrency_limit
  if type(limit) == 'number' then return limit end
  return type(limit) == 'table' and limit.limit or nil
end

-- Returns how many slots a limit has; nil where nothing limits. Who has looked for its definition
-- gives what is stored, or false; and so how the deployment or pool is defined that it is of.
local function slots_of(root, name, stored, owner)
  if stored == nil then stored = redis.call('HGET', root .. ':docs:limit', name) end
  local told = stored and definition(stored)
  if told then return told.active and told.limit or nil end
  if owner then return most_of(owner) end
  local deployment = string.match(name, '^deployment:(.*)$')
  local pool = string.match(name, '^work%-pool:(.*)$')
  if deployment then return most_of(defined(root, 'deployment', deployment)) end
  return pool and most_of(defined(root, 'work-pool', pool)) or nil
end

local function used_of(root, name)
  local used = 0
  for _, slots in ipairs(redis.call('HVALS', root .. ':slots:' .. name)) do used = used + tonumber(slots) end
  return used
end

local function asked_key(root, token)
  return root .. ':asked:' .. string.match(token, '^([^/]+)/')
end

local function asked_for(root, token)
  local stored = redis.call('HGET', asked_key(root, token), token)
  return stored and cjson.decode(stored)
end

local function note_asked(root, token, ask)
  redis.call('HSET', asked_key(root, token), token, cjson.encode(ask))
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
  note_asked(root, token, ask)
end

-- Takes from a token what it has and its places in line; returns the names of those limits.
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

local function tell_over(root, ask, told)
  local waited = integer(now_ms() - ask.since)
  append(root, told .. '{"waited_ms":' .. waited .. ',"slots":' .. integer(ask.slots) .. '}}')
end

-- Says that a wait is over.
local function tell_acquired(root, ask)
  tell_over(root, ask, ask.told)
end

-- Does as give_up, and says so of a wait that is over without slots: each has an event at its end.
local function abandon(root, token)
  local ask = asked_for(root, token)
  if ask and not ask.held and ask.told ~= '' then
    tell_over(root, ask, (string.gsub(ask.told, '"limit%.acquired"', '"limit.abandoned"', 1)))
  end
  return give_up(root, token)
end

-- Queues of work pools: which of the runs that wait is the next one. An entry of the stream queue:<pool>
-- calls a worker; for which run is decided when it has a slot, by the queues' priorities, limits and
-- pauses. A pool has at least as many entries without a run as it has runs that may begin.

-- What a run holds of its queue's limit.
local QUEUED = '/@queue'
local PRIORITY = 100

local function ready(root, pool, queue)
  return root .. ':ready:' .. pool .. '/' .. queue
end

local function call_worker(root, pool, id)
  redis.call('XADD', root .. ':queue:' .. pool, '*', 'r', id)
end

local function enqueue(root, id, pool)
  local key = root .. ':run:' .. id
  local told = redis.call('HMGET', key, 'queue', 'priority')
  local queue, place = told[1] or 'default', place_in_line(root, number(told[2]))
  redis.call('HSET', key, 'place', place)
  redis.call('SADD', root .. ':pools', pool)
  redis.call('SADD', root .. ':queues:' .. pool, queue)
  redis.call('ZADD', ready(root, pool, queue), place, id)
  call_worker(root, pool, id)
end

-- Who is done with an entry says so in one step: what is there without a run counts as a call.
local function finish_entry(root, pool, entry)
  redis.call('HDEL', root .. ':picks:' .. pool, entry)
  return take_back(root .. ':queue:' .. pool, 'workers', entry)
end

-- A run that waits no more; which worker was called for it does not matter.
local function dequeue(root, id, pool, queue)
  if pool and pool ~= '' then redis.call('ZREM', ready(root, pool, queue or 'default'), id) end
end

local function used_of(root, name)
  local used = 0
  for _, slots in ipairs(redis.call('HVALS', root .. ':slots:' .. name)) do used = used + tonumber(slots) end
  return used
end

-- Returns how each queue of a pool is defined, by name. What is not defined has no limit.
local function queues_of(root, pool)
  local told, named = defined(root, 'work-pool', pool), {}
  for _, queue in ipairs(told and type(told.queues) == 'table' and told.queues or {}) do named[queue.name] = queue end
  return named
end

-- Returns how many runs of a queue may begin, and the name of its limit where it has one.
local function room(root, pool, name, told)
  if not told then return math.huge end
  if told.paused == true then return 0 end
  if type(told.limit) ~= 'number' then return math.huge end
  local limit = 'work-queue:' .. pool .. '/' .. name
  return told.limit - used_of(root, limit), limit
end

local function goes_before(one, other)
  if one.priority ~= other.priority then return one.priority < other.priority end
  return one.place < other.place
end

-- Returns the run that is next: of the queue with the lowest priority, the one with the first place.
local function next_run(root, pool)
  local named, best = queues_of(root, pool), nil
  for _, queue in ipairs(redis.call('SMEMBERS', root .. ':queues:' .. pool)) do
    local first, told = redis.call('ZRANGE', ready(root, pool, queue), 0, 0, 'WITHSCORES'), named[queue]
    if not first[1] then
      redis.call('SREM', root .. ':queues:' .. pool, queue)
    else
      local free, limit = room(root, pool, queue, told)
      local priority = told and tonumber(told.priority) or PRIORITY
      local run = {id = first[1], place = tonumber(first[2]), priority = priority, queue = queue, limit = limit}
      if free > 0 and (not best or goes_before(run, best)) then best = run end
    end
  end
  return best
end

-- Calls as many workers as there are runs that may begin, where fewer are called.
local function call_workers(root, pool)
  local named, may = queues_of(root, pool), 0
  for _, queue in ipairs(redis.call('SMEMBERS', root .. ':queues:' .. pool)) do
    local free = room(root, pool, queue, named[queue])
    may = may + math.max(0, math.min(free, redis.call('ZCARD', ready(root, pool, queue))))
  end
  local called = redis.call('XLEN', root .. ':queue:' .. pool) - redis.call('HLEN', root .. ':picks:' .. pool)
  local found = may > called and next_run(root, pool)
  for _ = called + 1, found and may or 0 do call_worker(root, pool, found.id) end
end

-- upshot_finish_entry root | pool, entry
-- Touches: queue:<pool>, picks:<pool>. A worker is done with an entry. Returns 1, or 0 where it was gone.
redis.register_function{function_name='upshot_finish_entry', flags={'allow-oom'}, callback=function(keys, args)
  return finish_entry(keys[1], args[1], args[2]) and 1 or 0
end}

-- upshot_waiting root | pool*
-- Touches: queues:<pool>, ready:<pool>/<queue>. Returns a flat list for each pool: its queues that runs
-- wait in, and how many.
redis.register_function{function_name='upshot_waiting', flags={'no-writes'}, callback=function(keys, args)
  local answer = {}
  for i, pool in ipairs(args) do
    answer[i] = {}
    for _, queue in ipairs(redis.call('SMEMBERS', keys[1] .. ':queues:' .. pool)) do
      table.insert(answer[i], queue)
      table.insert(answer[i], redis.call('ZCARD', ready(keys[1], pool, queue)))
    end
  end
  return answer
end}

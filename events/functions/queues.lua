-- Queues of work pools: which of the runs that wait is the next one. An entry of the stream queue:<pool>
-- calls a worker; for which run is decided when it has a place, by the queues' priorities, limits and
-- pauses, and the pool's limit. A pool has at least as many entries without a run as it has runs that
-- may begin. An entry for which none may begin is gone; when one may again a worker is called anew.

-- The slots of a run that a worker begins with, or has: one of its pool, one of its queue.
local QUEUED = '/@queue'
local PRIORITY = 100
local LOOKED_AT = 100
-- Before the run of an entry whose worker does not begin with it, but tells that it has to wait.
local TELLS = '?'

local function ready(root, pool, queue)
  return root .. ':ready:' .. pool .. '/' .. queue
end

-- Runs of a queue that must wait for a limit, and of which that is told.
local function told_to_wait(root, pool, queue)
  return root .. ':told:' .. pool .. '/' .. queue
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

local function is_ready(root, id, pool)
  return redis.call('ZSCORE', ready(root, pool, redis.call('HGET', root .. ':run:' .. id, 'queue') or 'default'), id)
end

local function still_waits(root, id)
  return redis.call('HGET', root .. ':run:' .. id, 'type') == 'Scheduled' and not redis.call('ZSCORE', root .. ':due', id)
end

-- Who is done with an entry says so in one step: what is there without a run counts as a call.
local function finish_entry(root, pool, entry)
  redis.call('HDEL', root .. ':picks:' .. pool, entry)
  return take_back(root .. ':queue:' .. pool, 'workers', entry)
end

-- A run that waits no more; which worker was called for it does not matter.
local function dequeue(root, id, pool, queue)
  if not pool or pool == '' then return end
  redis.call('ZREM', ready(root, pool, queue or 'default'), id)
  redis.call('SREM', told_to_wait(root, pool, queue or 'default'), id)
end

-- Returns how a pool is: whether it is paused, how many more of its runs may begin, and how each of
-- its queues is defined, by name. What is not defined has no limit.
local function standing(root, pool)
  local told, queues, name = defined(root, 'work-pool', pool) or {}, {}, limit_of_pool(pool)
  for _, queue in ipairs(type(told.queues) == 'table' and told.queues or {}) do queues[queue.name] = queue end
  local most = slots_of(root, name, nil, told)
  local free = most and most - redis.call('HLEN', root .. ':slots:' .. name) or math.huge
  return {paused = told.paused == true, free = math.max(0, free), queues = queues}
end

-- What somebody has said of a queue counts for more than its definition.
local function is_paused(root, pool, queue, told)
  local said = defined(root, 'work-queue', pool .. '/' .. queue)
  if said and said.paused ~= nil then return said.paused == true end
  return told ~= nil and told.paused == true
end

-- Returns how many more runs of a queue may begin, and where it is a limit that lets none begin, its name.
local function room(root, pool, pool_is, queue)
  local told, limit, free = pool_is.queues[queue], limit_of_queue(pool, queue), math.huge
  if pool_is.paused or is_paused(root, pool, queue, told) then return 0 end
  if told and type(told.limit) == 'number' then free = told.limit - redis.call('HLEN', root .. ':slots:' .. limit) end
  if free <= 0 then return 0, limit end
  if pool_is.free <= 0 then return 0, limit_of_pool(pool) end
  return math.min(free, pool_is.free)
end

local function goes_before(one, other)
  if one.priority ~= other.priority then return one.priority < other.priority end
  return one.place < other.place
end

-- Returns the run that is next: of the queue with the lowest priority, the one with the first place.
local function next_run(root, pool)
  local pool_is, best = standing(root, pool), nil
  for _, queue in ipairs(redis.call('SMEMBERS', root .. ':queues:' .. pool)) do
    local first, told = redis.call('ZRANGE', ready(root, pool, queue), 0, 0, 'WITHSCORES'), pool_is.queues[queue]
    if not first[1] then
      redis.call('SREM', root .. ':queues:' .. pool, queue)
    elseif room(root, pool, pool_is, queue) > 0 then
      local run = {id = first[1], place = tonumber(first[2]), queue = queue}
      run.priority = told and tonumber(told.priority) or PRIORITY
      if not best or goes_before(run, best) then best = run end
    end
  end
  return best
end

-- Calls as many workers as there are runs that may begin, or of which it is to be told yet that a limit
-- keeps them from it, where fewer are called.
local function call_workers(root, pool)
  local queues = redis.call('SMEMBERS', root .. ':queues:' .. pool)
  if #queues == 0 then return end
  local pool_is, wanted, first = standing(root, pool), 0, nil
  for _, queue in ipairs(queues) do
    local key = ready(root, pool, queue)
    local free, limit = room(root, pool, pool_is, queue)
    local waiting = redis.call('ZCARD', key)
    local untold = (free > 0 or limit) and waiting - redis.call('SCARD', told_to_wait(root, pool, queue)) or 0
    wanted = wanted + math.min(waiting, free + untold)
    first = first or redis.call('ZRANGE', key, 0, 0)[1]
  end
  local called = redis.call('XLEN', root .. ':queue:' .. pool) - redis.call('HLEN', root .. ':picks:' .. pool)
  for _ = called + 1, wanted do call_worker(root, pool, first) end
end

-- Gives a run the slots with which it begins; where it was told to wait for them, that is over.
local function occupy(root, id, pool, queue)
  local token, waited = id .. QUEUED, asked_for(root, id .. QUEUED)
  if waited and not waited.held then tell_acquired(root, waited) end
  redis.call('SREM', told_to_wait(root, pool, queue), id)
  take(root, token, {limits = {limit_of_pool(pool), limit_of_queue(pool, queue)}, slots = 1, pool = '', told = '', since = 0})
end

-- Takes from a run the slots with which it was to begin; a wait for them goes on. Returns the limits' names.
local function vacate(root, id)
  local ask = asked_for(root, id .. QUEUED)
  return ask and ask.held and give_up(root, id .. QUEUED) or {}
end

-- Returns the limit of a run's deployment, where it is full and that is to cancel something.
local function collision(root, id)
  local deployment = redis.call('HGET', root .. ':run:' .. id, 'deployment')
  local told = deployment and deployment ~= '' and defined(root, 'deployment', deployment)
  local limit, token = told and told.concurrency_limit, id .. '/'
  local cancels = type(limit) == 'table' and string.find(limit.collision_strategy or '', '^CANCEL_')
  if not cancels or asked_for(root, token) then return nil end
  return lacking(root, token, {limits = {'deployment:' .. deployment}, slots = 1})
end

-- Returns the first run of a queue of which it is not told that it waits, or nil.
local function first_untold(root, pool, queue)
  local line, told = ready(root, pool, queue), told_to_wait(root, pool, queue)
  local waiting = redis.call('ZCARD', line)
  if redis.call('SCARD', told) >= waiting then return nil end
  for start = 0, waiting - 1, LOOKED_AT do
    local ids = redis.call('ZRANGE', line, start, start + LOOKED_AT - 1)
    for i, is_told in ipairs(redis.call('SMISMEMBER', told, unpack(ids))) do
      if is_told == 0 then return ids[i] end
    end
  end
end

-- Returns a run that a limit keeps from beginning, where that is to be told, or acted on, and the
-- limit, and its queue: the run that a worker was called for, or any.
local function kept_waiting(root, pool, named)
  local pool_is, queue = standing(root, pool), redis.call('HGET', root .. ':run:' .. named, 'queue') or 'default'
  local queues = redis.call('SMEMBERS', root .. ':queues:' .. pool)
  if redis.call('ZSCORE', ready(root, pool, queue), named) then
    local _, limit = room(root, pool, pool_is, queue)
    if limit and redis.call('SISMEMBER', told_to_wait(root, pool, queue), named) == 0 then
      return named, collision(root, named) or limit, queue
    end
  end
  for _, other in ipairs(queues) do
    local _, limit = room(root, pool, pool_is, other)
    local id = limit and first_untold(root, pool, other)
    if id then return id, collision(root, id) or limit, other end
  end
end

local function told_of(root, id, limit)
  return {id, redis.call('ZSCORE', root .. ':due', id) or '', redis.call('HGETALL', root .. ':run:' .. id), limit or ''}
end

-- Uses an entry to tell that a run must wait, where that is to be told; else it is gone. Returns the run and its limit.
local function tell(root, pool, entry, named)
  local id, limit, queue = kept_waiting(root, pool, named)
  if not id then
    finish_entry(root, pool, entry)
    return nil
  end
  redis.call('SADD', told_to_wait(root, pool, queue), id)
  redis.call('HSET', root .. ':picks:' .. pool, entry, TELLS .. id)
  return id, limit
end

-- A worker that was to tell something may not have done so: then another one is to.
local function untell(root, pool, id)
  if asked_for(root, id .. QUEUED) then return end
  redis.call('SREM', told_to_wait(root, pool, redis.call('HGET', root .. ':run:' .. id, 'queue') or 'default'), id)
end

-- Returns the run that an entry is for from now on, and the limit for which it has to wait; nil where there is none.
local function pick(root, pool, entry, named)
  local picks = root .. ':picks:' .. pool
  local id = redis.call('HGET', picks, entry)
  if id then return string.sub(id, 1, 1) ~= TELLS and id or nil end
  -- Somebody took it for left behind, and has called another worker.
  if #redis.call('XRANGE', root .. ':queue:' .. pool, entry, entry) == 0 then return nil end
  if not redis.call('HGET', root .. ':run:' .. named, 'place') and still_waits(root, named) then
    enqueue(root, named, pool)
  end
  local found = next_run(root, pool)
  if not found then return tell(root, pool, entry, named) end
  redis.call('ZREM', ready(root, pool, found.queue), found.id)
  occupy(root, found.id, pool, found.queue)
  redis.call('HSET', picks, entry, found.id)
  return found.id
end

-- upshot_pick root | pool, entry, run that the entry names
-- Touches: docs:work-pool, docs:work-queue, docs:limit, docs:deployment, ready:<pool>/<queue>, told:<pool>/<queue>,
-- queues:<pool>, picks:<pool>, run:<id>, due, slots:<limit>, line:<limit>, asked:<run>, queue:<pool>, log.
-- Decides which run a worker begins with that has an entry of the pool's stream: the one it was for already, or else
-- the next, which has its slots then. The run of an entry from before there were queues waits
-- in one from then on.
-- Returns the run's id, its place in due or '', its fields, and '' or the limit for which it has to wait.
-- Without a run that may begin the entry calls nobody any more, and there is nothing to return where nothing is to
-- be told.
redis.register_function{function_name='upshot_pick', flags={'allow-oom'}, callback=function(keys, args)
  local id, limit = pick(keys[1], args[1], args[2], args[3])
  return id and told_of(keys[1], id, limit) or {}
end}

-- upshot_wait root | run id, reached event, acquired event up to its payload
-- Touches: as upshot_pick. Tells, once, that a run must wait for a limit of its pool or queue; it keeps its place.
-- Returns 1, or 0 where it need not wait any more.
redis.register_function{function_name='upshot_wait', flags={'allow-oom'}, callback=function(keys, args)
  local root, id, token = keys[1], args[1], args[1] .. QUEUED
  local run, ask = redis.call('HMGET', root .. ':run:' .. id, 'type', 'pool', 'queue'), asked_for(root, token)
  if run[1] ~= 'Scheduled' or redis.call('ZSCORE', root .. ':due', id) or (ask and ask.held) then return 0 end
  local pool, queue = run[2], run[3] or 'default'
  if not is_ready(root, id, pool) then enqueue(root, id, pool) end
  local _, limit = room(root, pool, standing(root, pool), queue)
  if not limit then  -- others may begin in its place: it is looked at again
    untell(root, pool, id)
    call_workers(root, pool)
    return 0
  end
  redis.call('SADD', told_to_wait(root, pool, queue), id)
  if ask then return 1 end
  append(root, args[2])
  note_asked(root, token, {limits = {limit}, slots = 1, pool = pool, told = args[3], since = now_ms(), held = false})
  return 1
end}

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

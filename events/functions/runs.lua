-- Flow runs and task runs: the only way a state changes, always together with its event.
-- All are allowed when memory is short: what is under way must be able to end.

-- From each state type, the types that may follow. flows/states.py has the same table.
local LEGAL = {
  Scheduled = {Scheduled=1, Pending=1, Running=1, Paused=1, Cancelling=1, Cancelled=1, Completed=1, Failed=1, Crashed=1},
  Pending = {Scheduled=1, Running=1, Paused=1, Cancelling=1, Cancelled=1, Completed=1, Failed=1, Crashed=1},
  Running = {Scheduled=1, Running=1, Paused=1, Cancelling=1, Cancelled=1, Completed=1, Failed=1, Crashed=1},
  Paused = {Scheduled=1, Running=1, Paused=1, Cancelling=1, Cancelled=1, Failed=1, Crashed=1},
  Cancelling = {Cancelled=1, Crashed=1, Scheduled=1},
  Cancelled = {Scheduled=1},
  Completed = {},
  Failed = {Scheduled=1},
  Crashed = {Scheduled=1},
}
local ENDED = {Completed=1, Failed=1, Crashed=1, Cancelled=1}
local LEASED = {Pending=1, Running=1, Paused=1, Cancelling=1}

-- A scheduled run goes to its queue now or when it is due. A run without a pool starts itself.
local function schedule(root, id, pool, due, now)
  redis.call('HSET', root .. ':run:' .. id, 'queued', integer(math.max(due, now)))
  redis.call('ZADD', root .. ':on-time', integer(math.max(due, now)), id)
  if due > now then
    redis.call('ZADD', root .. ':due', due, id)
  elseif pool ~= '' then
    enqueue(root, id, pool)
  end
end

-- upshot_create_run root | id, type, pool, due_ms, lease_ms, event id, event, (field, value)*
-- Touches: run:<id>, runs, runs:<type>, runs:<state>:<of>, made:<of>, names, log, due, on-time, leases, counters; and of its pool
-- queue:<pool>, pools, queues:<pool>, ready:<pool>/<queue>, told:<pool>/<queue>, line.
-- Idempotent by id. Returns {created 0|1, version, epoch}.
redis.register_function{function_name='upshot_create_run', flags={'allow-oom'}, callback=function(keys, args)
  local root, id, kind, pool, now = keys[1], args[1], args[2], args[3], now_ms()
  local key = root .. ':run:' .. id
  local there = redis.call('HMGET', key, 'version', 'epoch')
  if there[1] then return {0, number(there[1]), number(there[2])} end
  if not LEGAL[kind] then return refuse('ILLEGAL', 'no state is called ' .. kind) end
  local at, due = append(root, args[7]), tonumber(args[4])
  -- What happens from when it was asked for, or is due, is news to its code, however late that begins.
  local began = due > now and integer(due) .. '-0' or at
  redis.call('HSET', key, 'type', kind, 'version', '1', 'epoch', '1', 'pool', pool, 'event', args[6], 'began', began, unpack(args, 8))
  redis.call('ZADD', root .. ':runs', now, id)
  redis.call('ZADD', root .. ':runs:' .. kind, now, id)
  local given = {}
  for i = 8, #args, 2 do given[args[i]] = args[i + 1] end
  local of = {given.flow or '', given.deployment or '', given.parent or '', given.name or ''}
  list(root, id, of, now)
  enter_lists(root, id, of, kind, given.state, now)
  count(root, 'run_transitions:flow-run:' .. kind, 1)
  if kind == 'Scheduled' then
    schedule(root, id, pool, due, now)
  elseif LEASED[kind] then
    redis.call('ZADD', root .. ':leases', now + tonumber(args[5]), id)
  end
  return {1, 1, 1}
end}

-- upshot_transition root | id, version, epoch or '', type, due_ms, lease_ms, only_if_lapsed 0|1, event id, event, (field, value)*
-- Touches: as upshot_create_run, and pauses, waits, wake:<id>, cursors of a run that is or was
-- paused, and slots:<limit>, line:<limit>, asked:<run> of one that begins or is over. The version must be the present one; an epoch is checked where one
-- is given (the run's own process gives it). Taking a run (Pending) and ending a process's hold on
-- it (Scheduled, or from outside) raise the epoch, which fences the process that had it before.
-- A run that is due later can't be taken, though an older entry of it may still be in its queue.
-- The same event again is answered as the first time. Returns {version, epoch}.
local function may_change(run, args, now, root)
  local kind, version, epoch = run[1], run[2], run[3]
  if not kind then return refuse('MISSING', 'no run ' .. args[1]) end
  if args[3] ~= '' and args[3] ~= epoch then
    return refuse('STALE', 'run ' .. args[1] .. ' is at epoch ' .. epoch .. ', not ' .. args[3])
  end
  if args[2] ~= version then
    return refuse('CONFLICT', 'run ' .. args[1] .. ' is at version ' .. version .. ' (' .. kind .. ')')
  end
  if not LEGAL[kind][args[4]] then
    return refuse('ILLEGAL', 'run ' .. args[1] .. ' is ' .. kind .. ' and can not become ' .. args[4])
  end
  if args[4] == 'Pending' and number(redis.call('ZSCORE', root .. ':due', args[1])) > now then
    return refuse('CONFLICT', 'run ' .. args[1] .. ' is not due yet')
  end
  if args[7] == '1' and number(redis.call('ZSCORE', root .. ':leases', args[1])) > now then
    return refuse('CONFLICT', 'run ' .. args[1] .. ' shows to be alive')
  end
end

local function fences(from, to, own)
  return to == 'Pending' or to == 'Scheduled' or (ENDED[to] and own == '' and from ~= 'Scheduled')
end

local function measure_start(root, queued, now)
  if queued > 0 then count(root, '~schedule_to_start', integer(math.max(0, now - queued))) end
end

-- What a paused run waits for is known to those who end the waiting: until when, for which event.
local function wait_for(root, id, at)
  local pause = redis.call('HGET', root .. ':run:' .. id, 'pause')
  if not pause or pause == '' then return end
  local told = cjson.decode(pause)
  if type(told['until']) == 'number' then redis.call('ZADD', root .. ':pauses', told['until'], id) end
  if type(told['awaits']) == 'table' then
    redis.call('HSET', root .. ':waits', id, at)
    redis.call('HSETNX', root .. ':cursors', 'waits', told['since'] or at)
  end
end

local function wake(root, id)
  redis.call('RPUSH', root .. ':wake:' .. id, '1')
  redis.call('EXPIRE', root .. ':wake:' .. id, WAKING_SECONDS)
end

local function leave(root, id, from, pool, queue)
  redis.call('ZREM', root .. ':runs:' .. from, id)
  if from == 'Scheduled' then
    redis.call('ZREM', root .. ':due', id)
    redis.call('ZREM', root .. ':on-time', id)
    dequeue(root, id, pool, queue)
  end
  if from == 'Paused' then
    redis.call('ZREM', root .. ':pauses', id)
    redis.call('HDEL', root .. ':waits', id)
    if redis.call('ZSCORE', root .. ':leases', id) then wake(root, id) end
  end
end

-- A paused run whose lease is to be 0 ms needs no process, and has none.
local function enter(root, id, to, pool, due, lease, now, at)
  redis.call('ZADD', root .. ':runs:' .. to, now, id)
  if to == 'Paused' then wait_for(root, id, at) end
  if to == 'Running' then redis.call('HSETNX', root .. ':run:' .. id, 'began', at) end
  if LEASED[to] and not (to == 'Paused' and lease == 0) then
    redis.call('ZADD', root .. ':leases', now + lease, id)
  else
    redis.call('ZREM', root .. ':leases', id)
    if to == 'Scheduled' then schedule(root, id, pool, due, now) end
  end
end

local function transition(root, args)
  local id, to, now = args[1], args[4], now_ms()
  local key = root .. ':run:' .. id
  local run = redis.call('HMGET', key, 'type', 'version', 'epoch', 'pool', 'event', 'deployment', 'flow', 'state', 'queued', 'queue')
  if run[5] and run[5] == args[8] then return {number(run[2]), number(run[3])} end
  local refusal = may_change(run, args, now, root)
  if refusal then return refusal end
  local full = to == 'Pending' and admit(root, id, run[6] or '', run[4] or '', run[10] or 'default')
  if full then return refuse('LIMIT', 'run ' .. id .. ' must wait: ' .. full .. ' is at its limit') end
  local version, epoch = number(run[2]) + 1, number(run[3])
  if fences(run[1], to, args[3]) then epoch = epoch + 1 end
  local at = append(root, args[9])
  local of = {run[7] or '', run[6] or ''}
  leave_lists(root, id, of, run[1], run[8])
  redis.call('HSET', key, 'type', to, 'version', integer(version), 'epoch', integer(epoch), 'event', args[8], unpack(args, 10))
  enter_lists(root, id, of, to, args[10] == 'state' and args[11] or redis.call('HGET', key, 'state'), now)
  leave(root, id, run[1], run[4], run[10])
  enter(root, id, to, run[4], tonumber(args[5]), tonumber(args[6]), now, at)
  count(root, 'run_transitions:flow-run:' .. to, 1)
  if run[1] == 'Pending' and to == 'Running' then measure_start(root, number(run[9]), now) end
  local waits_again = run[1] ~= to and (to == 'Scheduled' or (to == 'Paused' and run[1] == 'Scheduled'))
  if ENDED[to] or waits_again then release_run(root, id) end
  return {version, epoch}
end

redis.register_function{function_name='upshot_transition', flags={'allow-oom'}, callback=function(keys, args)
  return transition(keys[1], args)
end}

-- upshot_take_run root | pool, entry, (as upshot_transition)
-- Touches: as upshot_transition and upshot_finish_entry. A worker takes a run and is done with the entry
-- that called it; where it can't take it, the entry stays. Returns {version, epoch}.
redis.register_function{function_name='upshot_take_run', flags={'allow-oom'}, callback=function(keys, args)
  local taken = transition(keys[1], {unpack(args, 3)})
  if not taken.err then finish_entry(keys[1], args[1], args[2]) end
  return taken
end}

-- upshot_take_next root | pool, entry, (as upshot_transition, of the run that the entry names)
-- Touches: as upshot_pick and upshot_take_run, in one step: mostly the run that an entry names is the one that it is for.
-- Returns {version, epoch} and an empty list; where another run is picked, or this one can't be taken, an empty list and
-- what upshot_pick returns.
redis.register_function{function_name='upshot_take_next', flags={'allow-oom'}, callback=function(keys, args)
  local id, limit = pick(keys[1], args[1], args[2], args[3])
  local taken = id == args[3] and not limit and transition(keys[1], {unpack(args, 3)})
  if not taken or taken.err then return {{}, id and told_of(keys[1], id, limit) or {}} end
  finish_entry(keys[1], args[1], args[2])
  return {taken, {}}
end}

-- upshot_record_tasks root | run id, epoch, batch number, (task run id, type, record, event)*
-- Touches: run:<id>, tasks:<id>, order:<id>, sums:<id>, log, logs:<id>, seen, counters, and as data.lua says. A flow process
-- writes its tasks' states in batches under its epoch; a batch that was sent again is answered and not written again.
-- A record of '' is not kept: a later one of the same task run follows in the batch.
-- What else the process has to say goes the same way, in its place, with a task run id of '':
-- type 'event' (record: the id that the sender chose, or ''), type 'log' (event: the line), and types
-- 'artifact' and 'asset' (see data.lua), 'file' (event: where one is to be written, see files.lua).
-- An event that the flow's author makes is one from outside: it can not define automations.
local function say(root, run, kind, id, body)
  if kind == 'log' then
    redis.call('XADD', root .. ':logs:' .. run, '*', 'l', body)
  elseif kind == 'artifact' then
    put_artifact(root, run, id, body)
  elseif kind == 'asset' then
    note_asset(root, id, body)
  elseif kind == 'file' then
    hold_for(root, run, body)
  elseif id ~= '' and known(root, {id})[id] then
    count(root, 'duplicates', 1)
  else
    redis.call('XADD', root .. ':log', '*', 'e', body)
    if id ~= '' then redis.call('SADD', root .. ':seen', id) end
  end
end

-- Of a run's log the newest lines are kept, so many of them and so many bytes. When there are more,
-- some of the oldest go at once, in small portions, for lines can be long.
local LOG_LINES = 20000
local LOG_BYTES = 16 * 1024 * 1024
local LOG_SPARE = 7 / 8
local LOG_PORTION = 100

local function bound_log(root, run, bytes)
  local key, mine = root .. ':logs:' .. run, root .. ':run:' .. run
  local size, length = redis.call('HINCRBY', mine, 'log_bytes', bytes), redis.call('XLEN', key)
  if length <= LOG_LINES and size <= LOG_BYTES then return end
  local before, left = length, size
  while length > 1 and (length > LOG_LINES * LOG_SPARE or left > LOG_BYTES * LOG_SPARE) do
    local oldest = redis.call('XRANGE', key, '-', '+', 'COUNT', math.min(LOG_PORTION, length - 1))
    for _, entry in ipairs(oldest) do left = left - #entry[2][2] end
    length = length - #oldest
    redis.call('XTRIM', key, 'MAXLEN', length)
  end
  redis.call('HINCRBY', mine, 'log_bytes', left - size)
  redis.call('HINCRBY', mine, 'log_dropped', before - length)
end

local function record(root, run, id, kind, body, event, sums)
  append(root, event)
  if body == '' then return end
  local key = root .. ':tasks:' .. run
  local before = redis.call('HGET', key, id)
  if not before then redis.call('RPUSH', root .. ':order:' .. run, id) end
  add_task(root, run, sums, before, body)
  redis.call('HSET', key, id, kind .. ' ' .. body)
end

local function is_recorded(last, epoch, batch)
  local last_epoch, last_batch = string.match(last or '', '^(%d+)/(%d+)$')
  return last_epoch == epoch and tonumber(batch) <= tonumber(last_batch)
end

-- What completed can be undone, once; RolledBack is Completed, too.
local function is_undoing(kind, event)
  return kind == 'Completed' and string.find(event, '"state":"RolledBack"', 1, true) ~= nil
end

local function was_undone(stored)
  return string.match(stored, '"state":{"type":"Completed","name":"(%a+)"') == 'RolledBack'
end

local function check_tasks(key, args)
  local latest = {}
  for i = 4, #args, 4 do
    local id, to = args[i], args[i + 1]
    local undoing, from = is_undoing(to, args[i + 3]), latest[id]
    if not from and id ~= '' then
      local stored = redis.call('HGET', key, id)
      from = stored and string.match(stored, '^(%a+) ')
      if undoing and from == 'Completed' and was_undone(stored) then from = 'RolledBack' end
    end
    local legal = not from or (undoing and from == 'Completed') or (LEGAL[from] or {})[to]
    if id ~= '' and not (LEGAL[to] and legal) then
      return refuse('ILLEGAL', 'task run ' .. id .. ' is ' .. (from or 'new') .. ' and can not become ' .. to)
    end
    if id ~= '' then latest[id] = undoing and 'RolledBack' or to end
  end
end

redis.register_function{function_name='upshot_record_tasks', flags={'allow-oom'}, callback=function(keys, args)
  local root, id = keys[1], args[1]
  local run_key, key = root .. ':run:' .. id, root .. ':tasks:' .. id
  local run = redis.call('HMGET', run_key, 'epoch', 'batch')
  if not run[1] then return refuse('MISSING', 'no run ' .. id) end
  if run[1] ~= args[2] then return refuse('STALE', 'run ' .. id .. ' is at epoch ' .. run[1]) end
  if is_recorded(run[2], args[2], args[3]) then return 0 end
  local refusal = check_tasks(key, args)
  if refusal then return refusal end
  local entered, sums, logged = {}, {}, 0
  for i = 4, #args, 4 do
    if args[i] == '' then
      say(root, id, args[i + 1], args[i + 2], args[i + 3])
      if args[i + 1] == 'log' then logged = logged + #args[i + 3] end
    else
      record(root, id, args[i], args[i + 1], args[i + 2], args[i + 3], sums)
      entered[args[i + 1]] = (entered[args[i + 1]] or 0) + 1
    end
  end
  keep_sums(root, id, sums)
  if logged > 0 then bound_log(root, id, logged) end
  redis.call('HSET', run_key, 'batch', args[2] .. '/' .. args[3])
  for kind, by in pairs(entered) do count(root, 'run_transitions:task-run:' .. kind, by) end
  return (#args - 3) / 4
end}

-- upshot_renew_run root | id, epoch, lease_ms
-- Touches: run:<id>, leases. A flow process shows to be alive. Returns the run's present {type, version}.
redis.register_function{function_name='upshot_renew_run', flags={'allow-oom'}, callback=function(keys, args)
  local root, id = keys[1], args[1]
  local run = redis.call('HMGET', root .. ':run:' .. id, 'type', 'version', 'epoch')
  if not run[1] then return refuse('MISSING', 'no run ' .. id) end
  if run[3] ~= args[2] then return refuse('STALE', 'run ' .. id .. ' is at epoch ' .. run[3]) end
  if LEASED[run[1]] then redis.call('ZADD', root .. ':leases', 'XX', now_ms() + tonumber(args[3]), id) end
  return {run[1], run[2]}
end}

-- upshot_leave_run root | id, epoch, only_if_lapsed 0|1
-- Touches: run:<id>, leases. The process of a paused run is gone, or goes now: the run does without
-- one, and stays paused. Whoever read the run before reads it anew. Returns 1, or 0 when the run is
-- not paused, or shows to be alive.
redis.register_function{function_name='upshot_leave_run', flags={'allow-oom'}, callback=function(keys, args)
  local root, id = keys[1], args[1]
  local run = redis.call('HMGET', root .. ':run:' .. id, 'type', 'version', 'epoch')
  if not run[1] then return refuse('MISSING', 'no run ' .. id) end
  if run[3] ~= args[2] then return refuse('STALE', 'run ' .. id .. ' is at epoch ' .. run[3]) end
  if run[1] ~= 'Paused' then return 0 end
  local lease = redis.call('ZSCORE', root .. ':leases', id)
  if args[3] == '1' and number(lease) > now_ms() then return 0 end
  redis.call('ZREM', root .. ':leases', id)
  redis.call('HSET', root .. ':run:' .. id, 'version', integer(number(run[2]) + 1))
  release_run(root, id)
  return 1
end}

-- upshot_enqueue_due root | limit
-- Touches: due, run:<id>, and of pools as upshot_create_run. Returns {moved, ms until the next one or -1}.
redis.register_function{function_name='upshot_enqueue_due', flags={'allow-oom'}, callback=function(keys, args)
  local root, now = keys[1], now_ms()
  local ids = redis.call('ZRANGEBYSCORE', root .. ':due', '-inf', integer(now), 'LIMIT', 0, args[1])
  for _, id in ipairs(ids) do
    local pool = redis.call('HGET', root .. ':run:' .. id, 'pool')
    if pool and pool ~= '' then enqueue(root, id, pool) end
    redis.call('ZREM', root .. ':due', id)
  end
  local first = redis.call('ZRANGE', root .. ':due', 0, 0, 'WITHSCORES')
  return {#ids, first[2] and math.max(0, tonumber(first[2]) - now) or -1}
end}

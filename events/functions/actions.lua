-- Actions: their outcomes, each written once and together with its event; later tries; dead letters.

-- Entries of the actions stream are done with: nobody gets them again.
local function finish(root, entries)
  if #entries == 0 then return end
  redis.call('XACK', root .. ':actions', 'dispatchers', unpack(entries))
  redis.call('XDEL', root .. ':actions', unpack(entries))
end

-- An action of a firing that was forgotten meanwhile leaves its outcome for a day, so that it is settled once.
local FORGOTTEN_SECONDS = 86400

local function set_outcome(root, firing, index, outcome)
  local key = root .. ':firing:' .. firing
  local new = redis.call('HSETNX', key, index, outcome) == 1
  if new and redis.call('HEXISTS', key, 'doc') == 0 then redis.call('EXPIRE', key, FORGOTTEN_SECONDS) end
  return new
end

-- upshot_settle root | (entry or '', firing id, action index, outcome JSON, n, event*n, m, (counter, by)*m)*
-- Touches: firing:<id>, log, counters, actions. An entry is given with the last action of its
-- firing. An outcome that is there already stays, and its event and counts are not repeated.
redis.register_function{function_name='upshot_settle', flags={'allow-oom'}, callback=function(keys, args)
  local root, at, settled, sums, done = keys[1], 1, 0, {}, {}
  while at <= #args do
    local entry, firing, index, outcome = args[at], args[at + 1], args[at + 2], args[at + 3]
    local events = tonumber(args[at + 4])
    local counters_at = at + 5 + events
    local counters = tonumber(args[counters_at])
    if set_outcome(root, firing, index, outcome) then
      for i = at + 5, at + 4 + events do append(root, args[i]) end
      for i = counters_at + 1, counters_at + 2 * counters, 2 do tally(sums, args[i], args[i + 1]) end
      settled = settled + 1
    end
    if entry ~= '' then done[#done + 1] = entry end
    at = counters_at + 1 + 2 * counters
  end
  count_all(root, sums)
  finish(root, done)
  return settled
end}

-- upshot_begin root | firing id, action index
-- Touches: firing:<id>. An action of a firing that may be stopped begins, unless the firing was
-- stopped. Returns '' or the id of the firing that replaced it.
redis.register_function{function_name='upshot_begin', flags={'allow-oom'}, callback=function(keys, args)
  local key = keys[1] .. ':firing:' .. args[1]
  local by = redis.call('HGET', key, 'replaced')
  if by then return by end
  redis.call('HSET', key, 'under', args[2])
  return ''
end}

-- upshot_replace root | firing id, id of the firing that replaces it
-- Touches: firing:<id>. From now on none of its actions begins. Returns its fields, or nothing of
-- one that is not there.
redis.register_function{function_name='upshot_replace', flags={'allow-oom'}, callback=function(keys, args)
  local key = keys[1] .. ':firing:' .. args[1]
  if redis.call('HEXISTS', key, 'doc') == 0 then return {} end
  redis.call('HSETNX', key, 'replaced', args[2])
  return redis.call('HGETALL', key)
end}

-- upshot_park root | entry, body, due_ms, (id of a firing that may be stopped)
-- Touches: later, parked, actions, firing:<id>. Puts an entry aside until a later try; its place is free.
-- An entry that is gone was given to somebody else meanwhile, who decides about it. Returns 1 or 0.
redis.register_function{function_name='upshot_park', flags={'allow-oom'}, callback=function(keys, args)
  local root = keys[1]
  if redis.call('XDEL', root .. ':actions', args[1]) == 0 then return 0 end
  redis.call('XACK', root .. ':actions', 'dispatchers', args[1])
  if args[4] then redis.call('HDEL', root .. ':firing:' .. args[4], 'under') end
  redis.call('HSET', root .. ':parked', args[1], args[2])
  redis.call('ZADD', root .. ':later', now_ms() + tonumber(args[3]), args[1])
  return 1
end}

-- upshot_unpark root | limit
-- Touches: later, parked, actions. Returns {moved, ms until the next one or -1}.
redis.register_function{function_name='upshot_unpark', flags={'allow-oom'}, callback=function(keys, args)
  local root, now = keys[1], now_ms()
  local ids = redis.call('ZRANGEBYSCORE', root .. ':later', '-inf', integer(now), 'LIMIT', 0, args[1])
  for _, id in ipairs(ids) do
    local body = redis.call('HGET', root .. ':parked', id)
    if body then redis.call('XADD', root .. ':actions', '*', 'f', body) end
    redis.call('HDEL', root .. ':parked', id)
    redis.call('ZREM', root .. ':later', id)
  end
  local first = redis.call('ZRANGE', root .. ':later', 0, 0, 'WITHSCORES')
  return {#ids, first[2] and math.max(0, tonumber(first[2]) - now) or -1}
end}

-- upshot_bury root | entry or '', firing id or '', action index, outcome JSON, letter, rest of the entry or '', n, event*n, (counter, by)*
-- Touches: dead-letters, firing:<id>, log, counters, actions. Gives an action up where people see
-- it; the actions after it (the rest) go on. Returns the dead letter's id.
redis.register_function{function_name='upshot_bury', flags={'allow-oom'}, callback=function(keys, args)
  local root = keys[1]
  if args[2] ~= '' and not set_outcome(root, args[2], args[3], args[4]) then
    -- Somebody else settled this action. Who takes the entry away puts its rest in its place.
    local there = args[1] ~= '' and #redis.call('XRANGE', root .. ':actions', args[1], args[1]) > 0
    if there and args[6] ~= '' then redis.call('XADD', root .. ':actions', '*', 'f', args[6]) end
    finish(root, args[1] ~= '' and {args[1]} or {})
    return ''
  end
  local events = tonumber(args[7])
  for i = 8, 7 + events do append(root, args[i]) end
  local letter = redis.call('XADD', root .. ':dead-letters', '*', 'd', args[5])
  for i = 8 + events, #args, 2 do count(root, args[i], args[i + 1]) end
  if args[6] ~= '' then redis.call('XADD', root .. ':actions', '*', 'f', args[6]) end
  finish(root, args[1] ~= '' and {args[1]} or {})
  return letter
end}

-- upshot_replay root | letter id, entry, firing id or '', action index, event
-- Touches: dead-letters, actions, firing:<id>, log. Returns 1, or 0 when the letter is gone.
redis.register_function{function_name='upshot_replay', callback=function(keys, args)
  local root = keys[1]
  if redis.call('XDEL', root .. ':dead-letters', args[1]) == 0 then return 0 end
  append(root, args[5])
  if args[3] ~= '' then redis.call('HDEL', root .. ':firing:' .. args[3], args[4]) end
  redis.call('XADD', root .. ':actions', '*', 'f', args[2])
  return 1
end}

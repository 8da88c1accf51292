-- The engine's commit: what it read, what it remembers and what it decided, in one step.

-- upshot_commit root | epoch, from cursor, to cursor, needed position, lease_ms,
--   n, (window field, JSON or '')*n,  n, (automation id, JSON or '')*n,  n, (counter, by)*n,
--   n, event*n,  n, (firing id, automation id, ms, doc, actions entry or '', k, event*k)*n
-- Touches: lease:engine, engine, engine:windows, engine:definitions, engine:fired, cursors,
-- counters, log, firing:<id>, firings, actions. Refused for an owner that lost its lease, or whose cursor is not
-- where it thinks. A firing that is there already is left alone; one without an entry is a shadow's
-- and counted as such. Returns how many firings were new.
local function check_owner(root, epoch, cursor)
  local held = redis.call('HGET', root .. ':lease:engine', 'epoch')
  if held ~= epoch then return refuse('STALE', 'the engine is at epoch ' .. (held or '0') .. ', not ' .. epoch) end
  local at = redis.call('HGET', root .. ':engine', 'cursor') or '0-0'
  if at ~= cursor then return refuse('CONFLICT', 'the engine has read to ' .. at .. ', not ' .. cursor) end
end

local function write_fields(key, args, at)
  local n = tonumber(args[at])
  for i = at + 1, at + 2 * n, 2 do
    if args[i + 1] == '' then
      redis.call('HDEL', key, args[i])
    else
      redis.call('HSET', key, args[i], args[i + 1])
    end
  end
  return at + 1 + 2 * n
end

-- When each automation last fired and how often it has, until its definition is deleted.
local function note_fired(root, fired)
  for automation, last in pairs(fired) do
    redis.call('HSET', root .. ':engine:fired', automation, last.ms)
    redis.call('HINCRBY', root .. ':engine:fired', automation .. ':n', last.n)
  end
end

local function forget_fired(root, args, at)
  for i = at + 1, at + 2 * tonumber(args[at]), 2 do
    if args[i + 1] == '' then redis.call('HDEL', root .. ':engine:fired', args[i], args[i] .. ':n') end
  end
end

-- Each command costs a write to the append-only file: what many firings share is written once.
local function write_firing(root, args, at, fired, listed, now)
  local id, automation, events = args[at], args[at + 1], tonumber(args[at + 5])
  local first, last = at + 6, at + 5 + events
  if redis.call('EXISTS', root .. ':firing:' .. id) == 1 then return last + 1, 0, 0 end
  for i = first, last do append(root, args[i]) end
  redis.call('HSET', root .. ':firing:' .. id, 'doc', args[at + 3])
  listed[#listed + 1], listed[#listed + 2] = now, id
  fired[automation] = {ms = args[at + 2], n = (fired[automation] and fired[automation].n or 0) + 1}
  local shadow = args[at + 4] == ''
  if not shadow then redis.call('XADD', root .. ':actions', '*', 'f', args[at + 4]) end
  return last + 1, 1, shadow and 1 or 0
end

redis.register_function{function_name='upshot_commit', flags={'allow-oom'}, callback=function(keys, args)
  local root, now, made, new, shadows, shadow = keys[1], now_ms(), 0, 0, 0, 0
  local refusal = check_owner(root, args[1], args[2])
  if refusal then return refusal end
  local at = write_fields(root .. ':engine:windows', args, 6)
  forget_fired(root, args, at)
  at = write_fields(root .. ':engine:definitions', args, at)
  local counters = tonumber(args[at])
  for i = at + 1, at + 2 * counters, 2 do count(root, args[i], args[i + 1]) end
  at = at + 1 + 2 * counters
  for i = at + 1, at + tonumber(args[at]) do append(root, args[i]) end
  at = at + 1 + tonumber(args[at])
  local firings, fired, listed = tonumber(args[at]), {}, {}
  at = at + 1
  for _ = 1, firings do
    at, new, shadow = write_firing(root, args, at, fired, listed, now)
    made, shadows = made + new, shadows + shadow
  end
  note_fired(root, fired)
  if #listed > 0 then redis.call('ZADD', root .. ':firings', unpack(listed)) end
  if made > shadows then count(root, 'firings:fired', made - shadows) end
  if shadows > 0 then count(root, 'firings:shadow', shadows) end
  redis.call('HSET', root .. ':engine', 'cursor', args[3])
  redis.call('HSET', root .. ':cursors', 'engine', args[4])
  redis.call('HSET', root .. ':lease:engine', 'until', integer(now + tonumber(args[5])))
  return made
end}

-- The log: append, trim, and when it was open to outside senders.

-- upshot_append root | dedup_ms, (id, body)*
-- Touches: log, seen, seen:old, seen:since, counters.
-- An id of '' is ours and new; any other is accepted once. Returns a position or '' (duplicate) each.
-- Not allowed when memory is short: outside events are refused before anything is lost.
local function rotate_seen(root, now, window)
  local since = number(redis.call('GET', root .. ':seen:since'))
  if now - since < window then return end
  redis.call('UNLINK', root .. ':seen:old')
  if redis.call('EXISTS', root .. ':seen') == 1 then
    redis.call('RENAME', root .. ':seen', root .. ':seen:old')
  end
  redis.call('SET', root .. ':seen:since', integer(now))
end

-- So many ids in one command: Lua can't spread out much more than that.
local SOME = 1000

local function in_portions(ids, ask)
  for first = 1, #ids, SOME do ask(first, math.min(first + SOME - 1, #ids)) end
end

-- Returns the set of those ids that were accepted before.
local function known(root, ids)
  local before = {}
  for _, key in ipairs({root .. ':seen', root .. ':seen:old'}) do
    in_portions(ids, function(first, last)
      local answers = redis.call('SMISMEMBER', key, unpack(ids, first, last))
      for i, answer in ipairs(answers) do
        if answer == 1 then before[ids[first + i - 1]] = true end
      end
    end)
  end
  return before
end

redis.register_function{function_name='upshot_append', callback=function(keys, args)
  local root, positions, ids, new, duplicates = keys[1], {}, {}, {}, 0
  rotate_seen(root, now_ms(), tonumber(args[1]))
  for i = 2, #args, 2 do
    if args[i] ~= '' then ids[#ids + 1] = args[i] end
  end
  local seen = known(root, ids)
  for i = 2, #args, 2 do
    local id = args[i]
    if seen[id] then
      positions[#positions + 1] = ''
      duplicates = duplicates + 1
    else
      positions[#positions + 1] = redis.call('XADD', root .. ':log', '*', 'e', args[i + 1])
      if id ~= '' then
        seen[id] = true
        new[#new + 1] = id
      end
    end
  end
  in_portions(new, function(first, last) redis.call('SADD', root .. ':seen', unpack(new, first, last)) end)
  if duplicates > 0 then count(root, 'duplicates', duplicates) end
  return positions
end}

-- upshot_register root | consumer, position, events read in all
-- Touches: cursors, counters. Keeps everything from this position on for a consumer that commits
-- elsewhere; allowed when memory is short, as it is what lets the log be trimmed.
redis.register_function{function_name='upshot_register', flags={'allow-oom'}, callback=function(keys, args)
  redis.call('HSET', keys[1] .. ':cursors', args[1], args[2])
  redis.call('HSET', keys[1] .. ':counters', 'read:' .. args[1], args[3])
  return 1
end}

-- Up to which moment things may be forgotten, as a bound of a sorted set: where the log is archived,
-- a moment is as long ago as the archive is past it.
local function forgettable(root, before_ms)
  local before, now = tonumber(before_ms), now_ms()
  local cursor = redis.call('HGET', root .. ':cursors', 'archiver')
  local newest = redis.call('XREVRANGE', root .. ':log', '+', '-', 'COUNT', 1)[1]
  if not cursor or not newest or newest[1] == cursor then return integer(before) end
  local lag = math.max(0, now - tonumber(string.match(cursor, '^%d+')))
  return '(' .. integer(math.min(before, now) - lag)
end

-- upshot_trim root | keep_ms, limit
-- Touches: log, cursors. Drops what is older than keep_ms and behind every registered cursor, and
-- nothing at all before an engine has read: it is the one consumer that every log has.
local function before(a, b)
  local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
  a_ms, b_ms = tonumber(a_ms), tonumber(b_ms)
  return a_ms < b_ms or (a_ms == b_ms and tonumber(a_seq) < tonumber(b_seq))
end

redis.register_function{function_name='upshot_trim', flags={'allow-oom'}, callback=function(keys, args)
  local root = keys[1]
  if redis.call('HEXISTS', root .. ':cursors', 'engine') == 0 then return 0 end
  local lowest = integer(math.max(0, now_ms() - tonumber(args[1]))) .. '-0'
  for _, cursor in ipairs(redis.call('HVALS', root .. ':cursors')) do
    if before(cursor, lowest) then lowest = cursor end
  end
  return redis.call('XTRIM', root .. ':log', 'MINID', '~', lowest, 'LIMIT', args[2])
end}

-- upshot_hold_open root | reopen ('1' when no intake was connected before), event id, event prefix
-- Touches: intake, gaps, log. An intake says: outside senders reach the log now. After a closure
-- the span is recorded, and an event tells of it; its payload is completed here. Intakes that were
-- connected but silent for long were closed, too: stopped, or asleep together with this store.
local SILENT_MS = 1000 -- services/engine/reading.py has the same

redis.register_function{function_name='upshot_hold_open', flags={'allow-oom'}, callback=function(keys, args)
  local root, now = keys[1], now_ms()
  local last = number(redis.call('GET', root .. ':intake'))
  if last > 0 and (args[1] == '1' and last < now or now - last > SILENT_MS) then
    local from, till = integer(last), integer(now)
    append(root, args[3] .. '{"closed_from":' .. from .. ',"closed_until":' .. till .. '}}')
    redis.call('ZADD', root .. ':gaps', till, from .. '-' .. till)
  end
  redis.call('SET', root .. ':intake', integer(now))
  return integer(now)
end}

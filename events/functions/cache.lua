-- What tasks need not do again: cached results, whose values lie in files, and the locks of those that
-- are being computed.

local function drop_cached(root, key)
  local path = redis.call('HGET', root .. ':cache:files', key)
  if path then let_go(root, path) end
  redis.call('HDEL', root .. ':cache', key)
  redis.call('HDEL', root .. ':cache:files', key)
  redis.call('ZREM', root .. ':cache:until', key)
  redis.call('ZREM', root .. ':cache:made', key)
end

-- It expires after so many ms, or never where that is 0; a path of '' is of a file that stays.
local function put_cached(root, key, entry, path, expires, now)
  if path ~= '' then hold(root, path) end
  drop_cached(root, key)
  redis.call('HSET', root .. ':cache', key, entry)
  if path ~= '' then redis.call('HSET', root .. ':cache:files', key, path) end
  local till = tonumber(expires) > 0 and integer(now + tonumber(expires)) or '+inf'
  redis.call('ZADD', root .. ':cache:until', till, key)
  redis.call('ZADD', root .. ':cache:made', now, key)
end

local function drop_oldest(root, most)
  local extra = redis.call('ZCARD', root .. ':cache:made') - tonumber(most)
  if extra <= 0 then return end
  for _, key in ipairs(redis.call('ZRANGE', root .. ':cache:made', 0, extra - 1)) do drop_cached(root, key) end
end

-- upshot_find_cached root | key
-- Touches: cache, cache:until. Returns the entry, or '' where there is none that still holds.
redis.register_function{function_name='upshot_find_cached', flags={'allow-oom'}, callback=function(keys, args)
  local till = redis.call('ZSCORE', keys[1] .. ':cache:until', args[1])
  if not till or tonumber(till) <= now_ms() then return '' end
  return redis.call('HGET', keys[1] .. ':cache', args[1]) or ''
end}

-- upshot_cache root | most, key, entry, path or '', expires_ms
-- Touches: cache, cache:files, cache:until, cache:made, held, litter. The oldest go when there are more than most.
redis.register_function{function_name='upshot_cache', flags={'allow-oom'}, callback=function(keys, args)
  put_cached(keys[1], args[2], args[3], args[4], args[5], now_ms())
  drop_oldest(keys[1], args[1])
  return 1
end}

-- upshot_sweep_cache root | limit
-- Touches: cache, cache:files, cache:until, cache:made, held, litter. Drops what has expired. Returns how many.
redis.register_function{function_name='upshot_sweep_cache', flags={'allow-oom'}, callback=function(keys, args)
  local root = keys[1]
  local old = redis.call('ZRANGEBYSCORE', root .. ':cache:until', '-inf', integer(now_ms()), 'LIMIT', 0, args[1])
  for _, key in ipairs(old) do drop_cached(root, key) end
  return #old
end}

-- A lock is held as long as its holder's run is under way, at the epoch at which it was taken. Where that
-- does not show to be alive it may be dead, or well and cut off: it has the lock until somebody knows.
local function holds(root, holder, now)
  local run, epoch = string.match(holder or '', '^([^/]*)/([^/]*)/')
  if not run or redis.call('HGET', root .. ':run:' .. run, 'epoch') ~= epoch then return 'no' end
  local lease = redis.call('ZSCORE', root .. ':leases', run)
  if not lease then return 'no' end
  return number(lease) > now and 'yes' or 'silent'
end

-- upshot_lock root | name, run id, epoch, by, from a silent one 0|1
-- Touches: locks, run:<id>, leases. Returns 1 for whom has it now, 0 while somebody else does, -1 while that is
-- somebody who is silent. Who has seen that for long enough may take it.
redis.register_function{function_name='upshot_lock', flags={'allow-oom'}, callback=function(keys, args)
  local root, mine = keys[1], args[2] .. '/' .. args[3] .. '/' .. args[4]
  if redis.call('HGET', root .. ':run:' .. args[2], 'epoch') ~= args[3] then
    return refuse('STALE', 'run ' .. args[2] .. ' is not at epoch ' .. args[3])
  end
  local holder = redis.call('HGET', root .. ':locks', args[1])
  local held = holder ~= mine and holds(root, holder, now_ms()) or 'no'
  if held == 'yes' then return 0 end
  if held == 'silent' and args[5] ~= '1' then return -1 end
  redis.call('HSET', root .. ':locks', args[1], mine)
  return 1
end}

-- upshot_unlock root | name, run id, epoch, by
-- Touches: locks. Returns 1, or 0 where it had gone to somebody else.
redis.register_function{function_name='upshot_unlock', flags={'allow-oom'}, callback=function(keys, args)
  local key, mine = keys[1] .. ':locks', args[2] .. '/' .. args[3] .. '/' .. args[4]
  if redis.call('HGET', key, args[1]) ~= mine then return 0 end
  return redis.call('HDEL', key, args[1])
end}

-- upshot_sweep_locks root
-- Touches: locks, run:<id>, leases. Drops the locks whose holders are gone. Returns how many.
redis.register_function{function_name='upshot_sweep_locks', flags={'allow-oom'}, callback=function(keys, args)
  local root, now, dropped = keys[1], now_ms(), 0
  local locks = redis.call('HGETALL', root .. ':locks')
  for i = 1, #locks, 2 do
    if holds(root, locks[i + 1], now) == 'no' then
      dropped = dropped + redis.call('HDEL', root .. ':locks', locks[i])
    end
  end
  return dropped
end}

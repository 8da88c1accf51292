-- What tasks need not do again: cached results, the locks of those being computed, transactions.
-- Values lie in files. A file that is not needed any more is put down as litter, for somebody who
-- can reach it to remove: "file <path>", or "run <folder>/<run>" for all that a run left there.

-- A file has holders: the runs whose records tell of it, the cache's entry, the committed keys. With
-- the last of them it becomes litter. One that an older version wrote has none: it goes at once.
local function hold(root, path)
  redis.call('HINCRBY', root .. ':held', path, 1)
end

local function let_go(root, path)
  if redis.call('HINCRBY', root .. ':held', path, -1) > 0 then return end
  redis.call('HDEL', root .. ':held', path)
  redis.call('SADD', root .. ':litter', 'file ' .. path)
end

-- The run is forgotten, and with that what it held.
local function let_go_all(root, run)
  for _, path in ipairs(redis.call('SMEMBERS', root .. ':holds:' .. run)) do let_go(root, path) end
  redis.call('UNLINK', root .. ':holds:' .. run)
end

-- A run's own process changes what the store has of the run beside its state.
local function not_mine(root, id, epoch)
  local there = redis.call('HGET', root .. ':run:' .. id, 'epoch')
  if not there then return refuse('MISSING', 'no run ' .. id) end
  if there ~= epoch then return refuse('STALE', 'run ' .. id .. ' is at epoch ' .. there) end
end

-- upshot_hold_file root | run id, epoch, path, new 0|1
-- Touches: run:<id>, holds:<id>, held. A run's record is to tell of a file, which it is about to write, or which
-- was found. Returns 1, or 0 where nobody holds the file that was found: it is gone, or about to go.
redis.register_function{function_name='upshot_hold_file', flags={'allow-oom'}, callback=function(keys, args)
  local root, path, mine = keys[1], args[3], keys[1] .. ':holds:' .. args[1]
  local refusal = not_mine(root, args[1], args[2])
  if refusal then return refusal end
  if redis.call('SISMEMBER', mine, path) == 1 then return 1 end
  if args[4] == '0' and redis.call('HEXISTS', root .. ':held', path) == 0 then return 0 end
  redis.call('SADD', mine, path)
  hold(root, path)
  return 1
end}

-- upshot_let_go_file root | run id, epoch, path
-- Touches: run:<id>, holds:<id>, held, litter. The run needs the file no more. Returns 1, or 0 where it had not.
redis.register_function{function_name='upshot_let_go_file', flags={'allow-oom'}, callback=function(keys, args)
  local refusal = not_mine(keys[1], args[1], args[2])
  if refusal then return refusal end
  local had = redis.call('SREM', keys[1] .. ':holds:' .. args[1], args[3])
  if had == 1 then let_go(keys[1], args[3]) end
  return had
end}

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

-- A lock is held as long as its holder's run shows to be alive, at the epoch at which it was taken.
local function is_held(root, holder, now)
  local run, epoch = string.match(holder or '', '^([^/]*)/([^/]*)/')
  if not run or redis.call('HGET', root .. ':run:' .. run, 'epoch') ~= epoch then return false end
  return number(redis.call('ZSCORE', root .. ':leases', run)) > now
end

-- upshot_lock root | name, run id, epoch, by
-- Touches: locks, run:<id>, leases. Returns 1 for whom has it now, 0 while somebody else does.
redis.register_function{function_name='upshot_lock', flags={'allow-oom'}, callback=function(keys, args)
  local root, mine = keys[1], args[2] .. '/' .. args[3] .. '/' .. args[4]
  if redis.call('HGET', root .. ':run:' .. args[2], 'epoch') ~= args[3] then
    return refuse('STALE', 'run ' .. args[2] .. ' is not at epoch ' .. args[3])
  end
  local holder = redis.call('HGET', root .. ':locks', args[1])
  if holder ~= mine and is_held(root, holder, now_ms()) then return 0 end
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
    if not is_held(root, locks[i + 1], now) then
      dropped = dropped + redis.call('HDEL', root .. ':locks', locks[i])
    end
  end
  return dropped
end}

-- upshot_note_transaction root | run id, epoch, (field, value)*
-- Touches: run:<id>, transactions:<id>. A run's own process notes what became of its transactions.
redis.register_function{function_name='upshot_note_transaction', flags={'allow-oom'}, callback=function(keys, args)
  local refusal = not_mine(keys[1], args[1], args[2])
  if refusal then return refusal end
  redis.call('HSET', keys[1] .. ':transactions:' .. args[1], unpack(args, 3))
  return 1
end}

-- How many transactions a run has open is known by the outermost run that it is a part of.
local OPEN = {active=1, ['rolling-back']=1}

local function enter_stage(root, id, whole, transaction, stage)
  local key, open = root .. ':transactions:' .. id, root .. ':open:' .. whole
  local before = OPEN[redis.call('HGET', key, transaction) or ''] or 0
  redis.call('HSET', key, transaction, stage)
  local by = (OPEN[stage] or 0) - before
  if by == 0 then return end
  if redis.call('HINCRBY', open, id, by) <= 0 then redis.call('HDEL', open, id) end
  redis.call(redis.call('EXISTS', open) == 1 and 'SADD' or 'SREM', root .. ':open', whole)
end

-- upshot_enter_stage root | run id, epoch, outermost run, transaction, stage, (field, value)*
-- Touches: run:<id>, transactions:<id>, open, open:<outermost run>. A transaction was begun, is being undone or was.
redis.register_function{function_name='upshot_enter_stage', flags={'allow-oom'}, callback=function(keys, args)
  local refusal = not_mine(keys[1], args[1], args[2])
  if refusal then return refusal end
  if #args > 5 then redis.call('HSET', keys[1] .. ':transactions:' .. args[1], unpack(args, 6)) end
  enter_stage(keys[1], args[1], args[3], args[4], args[5])
  return 1
end}

local function drop_committed(root, key)
  local files = redis.call('HGET', root .. ':committed:files', key)
  if files then
    for _, path in ipairs(cjson.decode(files)) do let_go(root, path) end
    redis.call('HDEL', root .. ':committed:files', key)
  end
  redis.call('HDEL', root .. ':committed', key)
  redis.call('ZREM', root .. ':committed:used', key)
end

local function put_committed(root, key, record, files, now)
  local paths = cjson.decode(files)
  for _, path in ipairs(paths) do hold(root, path) end
  drop_committed(root, key)
  redis.call('HSET', root .. ':committed', key, record)
  if #paths > 0 then redis.call('HSET', root .. ':committed:files', key, files) end
  redis.call('ZADD', root .. ':committed:used', now, key)
end

-- upshot_commit_transaction root | run id, epoch, outermost run, transaction, key or '', record, files (JSON), most, (cache key, entry, path or '', expires_ms)*
-- Touches: as upshot_enter_stage, committed, committed:files, committed:used, cache, cache:files, cache:until, cache:made, held, litter.
-- All at once: the transaction is committed, its key is, and what its tasks may cache is cached.
redis.register_function{function_name='upshot_commit_transaction', flags={'allow-oom'}, callback=function(keys, args)
  local root, now = keys[1], now_ms()
  local refusal = not_mine(root, args[1], args[2])
  if refusal then return refusal end
  enter_stage(root, args[1], args[3], args[4], 'committed')
  if args[5] ~= '' then put_committed(root, args[5], args[6], args[7], now) end
  for i = 9, #args, 4 do put_cached(root, args[i], args[i + 1], args[i + 2], args[i + 3], now) end
  drop_oldest(root, args[8])
  return 1
end}

-- upshot_find_committed root | key
-- Touches: committed, committed:used. Returns what was committed under the key, or ''; it counts as used now.
redis.register_function{function_name='upshot_find_committed', flags={'allow-oom'}, callback=function(keys, args)
  redis.call('ZADD', keys[1] .. ':committed:used', 'XX', now_ms(), args[1])
  return redis.call('HGET', keys[1] .. ':committed', args[1]) or ''
end}

-- upshot_sweep_committed root | before_ms, limit
-- Touches: committed, committed:files, committed:used, held, litter. Drops keys that nobody has used since
-- then; those of an older version count from now on. Returns how many.
redis.register_function{function_name='upshot_sweep_committed', flags={'allow-oom'}, callback=function(keys, args)
  local root = keys[1]
  local used = root .. ':committed:used'
  if redis.call('ZCARD', used) < redis.call('HLEN', root .. ':committed') then
    for _, key in ipairs(redis.call('HKEYS', root .. ':committed')) do redis.call('ZADD', used, 'NX', now_ms(), key) end
  end
  local old = redis.call('ZRANGEBYSCORE', used, '-inf', args[1], 'LIMIT', 0, args[2])
  for _, key in ipairs(old) do drop_committed(root, key) end
  return #old
end}

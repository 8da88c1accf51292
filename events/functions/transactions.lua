-- Transactions: how far they are, which of them are open, and what was committed under a key.

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

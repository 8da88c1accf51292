-- Files of results: who needs them. One that nobody does is put down as litter, for somebody who can
-- reach it to remove: "file <path>", or "run <folder>/<run>" for all that a run left there.

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

-- A run is about to write a file.
local function hold_for(root, run, path)
  if redis.call('SADD', root .. ':holds:' .. run, path) == 1 then hold(root, path) end
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
  hold_for(root, args[1], path)
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

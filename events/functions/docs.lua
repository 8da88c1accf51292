-- Definitions (automations, deployments, receivers, …): each change together with its event.

local VERSIONS_KEPT = 50
local DELETED_KEPT_MS = 30 * 86400000

local function version_of(stored)
  return stored and tonumber(string.match(stored, '^(%d+) ')) or 0
end

-- One that was deleted goes on counting, so that a version always means one definition.
local function latest(root, kind, name)
  local stored = redis.call('HGET', root .. ':docs:' .. kind, name)
  return version_of(stored or redis.call('LINDEX', root .. ':history:' .. kind .. ':' .. name, 0))
end

-- What its event tells of a version is what is kept of it: so no history holds a secret. Whoever
-- keeps definitions in memory asks changed:<kind>, numbered by changes, which are new since.
local function remember(root, kind, name, version, event, deleted)
  local key = root .. ':history:' .. kind .. ':' .. name
  redis.call('LPUSH', key, version .. ' ' .. integer(now_ms()) .. ' ' .. event)
  redis.call('LTRIM', key, 0, VERSIONS_KEPT - 1)
  if deleted then redis.call('PEXPIRE', key, DELETED_KEPT_MS) else redis.call('PERSIST', key) end
  redis.call('ZADD', root .. ':changed:' .. kind, redis.call('INCR', root .. ':changes'), name)
end

local function check_versions(root, args, from)
  local versions = {}
  for i = from, #args, 5 do
    local version = latest(root, args[i], args[i + 1])
    if args[i + 2] ~= '' and tonumber(args[i + 2]) ~= version then
      return nil, refuse('CONFLICT', args[i] .. ' ' .. args[i + 1] .. ' is at version ' .. version)
    end
    versions[#versions + 1] = version + 1
  end
  return versions
end

-- What changes may let those go on who wait.
local function let_more_through(root, kind, name)
  local limited = {limit = name, deployment = 'deployment:' .. name}
  limited['work-pool'] = limit_of_pool(name)
  limited['work-queue'] = 'work-queue:' .. name
  if limited[kind] then advance(root, {limited[kind]}) end
end

local function put(root, args, from)
  local versions, refusal = check_versions(root, args, from)
  if refusal then return refusal end
  for i = from, #args, 5 do
    local key, version = root .. ':docs:' .. args[i], versions[(i - from) / 5 + 1]
    if args[i + 4] ~= '' then append(root, args[i + 4]) end
    remember(root, args[i], args[i + 1], version, args[i + 4], args[i + 3] == '')
    if args[i + 3] == '' then
      redis.call('HDEL', key, args[i + 1])
    else
      redis.call('HSET', key, args[i + 1], version .. ' ' .. args[i + 3])
    end
    let_more_through(root, args[i], args[i + 1])
  end
  return versions
end

-- upshot_put root | (kind, name, expected version or '', doc, event)*
-- Touches: docs:<kind>, history:<kind>:<name>, log, and as upshot_serve_lines, for a limit may let
-- more through, and a work pool's queues too. All or nothing. A doc of '' deletes. Returns the new version of each.
redis.register_function{function_name='upshot_put', callback=function(keys, args)
  return put(keys[1], args, 1)
end}

-- upshot_put_once root | firing id, action index, (as upshot_put)*
-- Touches: as upshot_put, firing:<id>. What an action of a firing changes, once, however often it
-- is tried. Returns the new version of each, and none where they were put before.
redis.register_function{function_name='upshot_put_once', callback=function(keys, args)
  local firing, field = keys[1] .. ':firing:' .. args[1], 'put:' .. args[2]
  if redis.call('HEXISTS', firing, field) == 1 then return {} end
  local versions = put(keys[1], args, 3)
  if not versions.err then redis.call('HSET', firing, field, '1') end
  return versions
end}

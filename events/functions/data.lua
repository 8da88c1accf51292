-- Data of flows: artifacts, and assets with their materialisations, checks and lineage. Each change
-- comes with its event; both are written by the process of the run that says so (upshot_record_tasks).

local MATERIALIZATIONS_KEPT = 50

-- A record has lines of JSON: the first says what is to be done, the others are kept as they are.
local function lines_of(record)
  local lines = {}
  for line in string.gmatch(record, '[^\n]+') do lines[#lines + 1] = line end
  return cjson.decode(lines[1]), lines
end

-- A moment behind all that are in a sorted set: what comes in the same millisecond keeps its order.
local function later(key, now)
  local newest = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
  return integer(math.max(now, number(newest[2]) + 1))
end

-- Touches: artifact:<id>, artifacts, artifacts:run:<run>, artifacts:key:<key>, artifact-versions, log.
-- Lines: {id, key or '', update}, what it is, its description, its data. One that is there gets
-- other data, and its event says so: its code runs again, or it is to be updated.
local function put_artifact(root, run, record, event)
  local told, lines = lines_of(record)
  local key, now = root .. ':artifact:' .. told.id, now_ms()
  local there = redis.call('HMGET', key, 'doc', 'data', 'description')
  if told.update and not there[1] then return end -- it is forgotten
  local description = told.update and lines[3] == 'null' and there[3] or lines[3]
  if there[2] == lines[4] and there[3] == description then return end
  append(root, there[1] and (string.gsub(event, '"artifact%.created"', '"artifact.updated"', 1)) or event)
  redis.call('HSET', key, 'data', lines[4], 'description', description, 'updated', now)
  if there[1] then return end
  local version = told.key ~= '' and redis.call('HINCRBY', root .. ':artifact-versions', told.key, 1) or 0
  redis.call('HSET', key, 'doc', lines[2], 'key', told.key, 'version', version, 'created', now)
  local place = later(root .. ':artifacts', now)
  redis.call('ZADD', root .. ':artifacts', place, told.id)
  redis.call('ZADD', root .. ':artifacts:run:' .. run, place, told.id)
  if told.key ~= '' then redis.call('ZADD', root .. ':artifacts:key:' .. told.key, place, told.id) end
end

-- Touches: as put_artifact. Drops the artifacts of a run.
local function forget_artifacts(root, run)
  local mine = root .. ':artifacts:run:' .. run
  for _, id in ipairs(redis.call('ZRANGE', mine, 0, -1)) do
    local key = redis.call('HGET', root .. ':artifact:' .. id, 'key') or ''
    redis.call('UNLINK', root .. ':artifact:' .. id)
    redis.call('ZREM', root .. ':artifacts', id)
    redis.call('ZREM', root .. ':artifacts:key:' .. key, id)
    if redis.call('EXISTS', root .. ':artifacts:key:' .. key) == 0 then
      redis.call('HDEL', root .. ':artifact-versions', key)
    end
  end
  redis.call('UNLINK', mine)
end

-- What an asset was made of is what its latest materialisation says.
local function link(root, key, upstream)
  local mine = root .. ':upstream:' .. key
  for _, old in ipairs(redis.call('SMEMBERS', mine)) do redis.call('SREM', root .. ':downstream:' .. old, key) end
  redis.call('UNLINK', mine)
  for _, each in ipairs(upstream) do
    redis.call('SADD', mine, each)
    redis.call('SADD', root .. ':downstream:' .. each, key)
  end
end

-- Touches: asset:<key>, assets, materializations:<key>, upstream:<key>, downstream:<key>, log.
-- Lines: {key, what: materialized|failed|referenced|check:<name>, upstream}, its properties or null,
-- and what is to be known of it.
local function note_asset(root, record, event)
  local told, lines = lines_of(record)
  local key, now = root .. ':asset:' .. told.key, integer(now_ms())
  local body = now .. ' ' .. lines[3]
  append(root, event)
  if lines[2] ~= 'null' then redis.call('HSET', key, 'properties', lines[2]) end
  if told.what == 'referenced' then
    redis.call('HSETNX', key, 'version', '0')
    redis.call('ZADD', root .. ':assets', 'NX', now, told.key)
    return
  end
  redis.call('HSET', key, told.what, body)
  redis.call('ZADD', root .. ':assets', now, told.key)
  if told.what ~= 'materialized' then return end
  local version = redis.call('HINCRBY', key, 'version', 1)
  local past = root .. ':materializations:' .. told.key
  redis.call('LPUSH', past, version .. ' ' .. body)
  redis.call('LTRIM', past, 0, MATERIALIZATIONS_KEPT - 1)
  link(root, told.key, told.upstream)
end

local function drop_asset(root, key)
  link(root, key, {})
  redis.call('UNLINK', root .. ':asset:' .. key, root .. ':materializations:' .. key)
  redis.call('ZREM', root .. ':assets', key)
end

-- upshot_forget_assets root | before_ms, limit
-- Touches: as note_asset, but for the log. Drops assets of which nothing was said since then. Returns how many.
redis.register_function{function_name='upshot_forget_assets', flags={'allow-oom'}, callback=function(keys, args)
  local old = redis.call('ZRANGEBYSCORE', keys[1] .. ':assets', '-inf', '(' .. args[1], 'LIMIT', 0, args[2])
  for _, key in ipairs(old) do drop_asset(keys[1], key) end
  return #old
end}

-- upshot_forget_asset root | key, event
-- Touches: as note_asset. Forgets what is known of an asset; others may go on to name it. Returns 1 or 0.
redis.register_function{function_name='upshot_forget_asset', flags={'allow-oom'}, callback=function(keys, args)
  local root, key = keys[1], args[1]
  if not redis.call('ZSCORE', root .. ':assets', key) then return 0 end
  append(root, args[2])
  drop_asset(root, key)
  return 1
end}

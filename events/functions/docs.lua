-- Definitions (automations, deployments, receivers, …): each change together with its event.

-- upshot_put root | (kind, name, expected version or '', doc, event)*
-- Touches: docs:<kind>, log. All or nothing. A doc of '' deletes. Returns the new version of each.
local function version_of(stored)
  return stored and tonumber(string.match(stored, '^(%d+) ')) or 0
end

redis.register_function{function_name='upshot_put', callback=function(keys, args)
  local root, versions = keys[1], {}
  for i = 1, #args, 5 do
    local version = version_of(redis.call('HGET', root .. ':docs:' .. args[i], args[i + 1]))
    if args[i + 2] ~= '' and tonumber(args[i + 2]) ~= version then
      return refuse('CONFLICT', args[i] .. ' ' .. args[i + 1] .. ' is at version ' .. version)
    end
    versions[#versions + 1] = version + 1
  end
  for i = 1, #args, 5 do
    local key, version = root .. ':docs:' .. args[i], versions[(i + 4) / 5]
    if args[i + 4] ~= '' then append(root, args[i + 4]) end
    if args[i + 3] == '' then
      redis.call('HDEL', key, args[i + 1])
    else
      redis.call('HSET', key, args[i + 1], version .. ' ' .. args[i + 3])
    end
  end
  return versions
end}

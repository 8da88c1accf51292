-- Leases: one owner at a time, told apart by an epoch that only grows.

-- upshot_take_lease root | name, owner, ttl_ms
-- Touches: lease:<name>, counters. Returns the owner's epoch, or 0 while another one holds it.
redis.register_function{function_name='upshot_take_lease', flags={'allow-oom'}, callback=function(keys, args)
  local key, now = keys[1] .. ':lease:' .. args[1], now_ms()
  local held = redis.call('HMGET', key, 'owner', 'epoch', 'until')
  local epoch = number(held[2])
  if held[1] ~= args[2] then
    if number(held[3]) > now then return 0 end
    if number(held[3]) > 0 then count(keys[1], 'leases_lost', 1) end
    epoch = epoch + 1
  end
  redis.call('HSET', key, 'owner', args[2], 'epoch', integer(epoch), 'until', integer(now + tonumber(args[3])))
  return epoch
end}

-- upshot_drop_lease root | name, owner, epoch
-- Touches: lease:<name>. Lets a standby take over at once.
redis.register_function{function_name='upshot_drop_lease', flags={'allow-oom'}, callback=function(keys, args)
  local key = keys[1] .. ':lease:' .. args[1]
  local held = redis.call('HMGET', key, 'owner', 'epoch')
  if held[1] ~= args[2] or held[2] ~= args[3] then return 0 end
  redis.call('HSET', key, 'until', '0')
  return 1
end}

-- What all functions share. Lua does not roll back: each function checks everything first, then
-- appends the event, then changes the state. KEYS[1] is always the root of a shard (see keys.py).
-- A refusal is an error whose first word is its kind: CONFLICT, STALE, ILLEGAL, MISSING.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function refuse(kind, text)
  return redis.error_reply(kind .. ' ' .. text)
end

local function append(root, body)
  return redis.call('XADD', root .. ':log', '*', 'e', body)
end

local function count(root, name, by)
  redis.call('HINCRBY', root .. ':counters', name, by)
end

-- Numbers from the store come as strings or false.
local function number(value)
  return tonumber(value or '0') or 0
end

local function integer(value)
  return string.format('%.0f', value)
end

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

-- Field o: an event of Upshot's own, which nobody outside can make; e: any other.
local function append(root, body)
  return redis.call('XADD', root .. ':log', '*', 'o', body)
end

-- Histograms are counters too: '~name:<upper bound in ms>' and '~name:sum', in ms.
local BOUNDS = {'1', '2.5', '5', '10', '25', '50', '100', '250', '500', '1000', '2500', '5000', '10000', '30000', '60000'}

-- Adds to sums: a name that starts with ~ is a histogram and by a duration in ms.
local function tally(sums, name, by)
  local ms = tonumber(by)
  if string.sub(name, 1, 1) ~= '~' then
    sums[name] = (sums[name] or 0) + ms
    return
  end
  local bound = 'inf'
  for _, upper in ipairs(BOUNDS) do
    if ms <= tonumber(upper) then bound = upper break end
  end
  sums[name .. ':' .. bound] = (sums[name .. ':' .. bound] or 0) + 1
  sums[name .. ':sum'] = (sums[name .. ':sum'] or 0) + ms
end

-- Moves each counter once. Sums of ms are the only ones that need not be whole.
local function count_all(root, sums)
  for name, by in pairs(sums) do
    local move = string.find(name, '^~.*:sum$') and 'HINCRBYFLOAT' or 'HINCRBY'
    redis.call(move, root .. ':counters', name, tostring(by))
  end
end

local function count(root, name, by)
  if string.byte(name) ~= 126 then return redis.call('HINCRBY', root .. ':counters', name, by) end
  local sums = {}
  tally(sums, name, by)
  count_all(root, sums)
end

-- Numbers from the store come as strings or false.
local function number(value)
  return tonumber(value or '0') or 0
end

local function integer(value)
  return string.format('%.0f', value)
end

-- A process that waits for something of its run sleeps until it is in a list, or for so long.
local WAKING_SECONDS = 60

-- Takes an entry out of a stream and its group; tells whether it was there.
local function take_back(key, group, entry)
  local there = redis.call('XDEL', key, entry)
  redis.call('XACK', key, group, entry)
  return there == 1
end

-- Returns a definition that is stored after its version.
local function definition(stored)
  return cjson.decode(string.match(stored, '^%d+ (.*)$'))
end

-- Returns a definition as it is now; nil where there is none.
local function defined(root, kind, name)
  local stored = redis.call('HGET', root .. ':docs:' .. kind, name)
  return stored and definition(stored)
end

-- Priorities are whole numbers from -1000 to 1000, the lowest first; equal ones are served as they came.
local STEP = 2 ^ 40

local function place_in_line(root, priority)
  return integer(priority * STEP + redis.call('INCR', root .. ':line'))
end

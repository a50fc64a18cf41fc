-- The room that the store has (32 MiB for all that a plugin keeps): who may have how much of it, and who
-- gives way.

local kv = ccproxy.kv

-- Most bytes of the arguments of all calls that wait. The rest is for what is said about them, for arguments
-- that people give instead, and for sessions.
local WAITING = 24 * 1024 * 1024
-- Most bytes of one value, kept as JSON. A value of the store has at most 1 MiB.
local LARGEST = 1024 * 1024 - 1024
-- Seconds after which what is over may give way.
local OVER = 60
-- How long it is told that there was no room.
local TOLD = 300

---@type number?
local last_missed

-- The bytes that a text takes in the store.
local function of(text)
  return #ccproxy.json.encode(text)
end

-- Takes the older half of the events out of the store, and what has been over for a while: whoever waited
-- for it has read it.
local function give_way()
  local events = kv.keys("event:")
  for place, key in ipairs(events) do
    if place <= #events / 2 + 1 then
      kv.delete(key)
    end
  end
  for _, key in ipairs(kv.keys("done:")) do
    local done = kv.get(key)
    if done and ccproxy.time.now() - done.decided > OVER then
      kv.delete(key)
    end
  end
end

-- Sets a key; what is over gives way to it. False when there is no room all the same.
local function keep(key, value, ttl)
  if kv.set(key, value, { ttl = ttl }) then
    return true
  end
  give_way()
  if kv.set(key, value, { ttl = ttl }) then
    return true
  end
  last_missed = ccproxy.time.now()
  return false
end

-- Notes that somebody was refused for want of room.
local function missed()
  last_missed = ccproxy.time.now()
end

-- What is wrong with the room, when something is.
local function problem(held)
  if held > WAITING * 0.9 then
    return string.format("the calls that wait take up %d%% of their room", math.floor(held * 100 / WAITING))
  elseif last_missed and ccproxy.time.now() - last_missed < TOLD then
    return "there was no room for a call that was to wait"
  end
  return nil
end

return { WAITING = WAITING, LARGEST = LARGEST, of = of, keep = keep, missed = missed, problem = problem }

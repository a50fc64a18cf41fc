-- Requests that wait for a person, those just decided, and the events about both. All of it is kept in the
-- store, so that a reload of the plugin loses nobody who waits. The store is bounded: what waits has most of
-- it, what is over keeps no arguments, and gives way.

local kv = ccproxy.kv
local events = require("events")
local room = require("room")

-- How long a decided request can still be looked up, and an event be asked for again.
local RETENTION = "5m"
-- Bytes of the arguments of one request that an event, or the list, shows; and of all in a list, which is
-- made at one go.
local SHOWN, SHOWN_IN_ALL = 16 * 1024, 512 * 1024
-- Who waits says so this often; who says nothing for so long has left.
local BEAT, SILENCE = 5, 15

-- The proxy is ending.
local closed = false

-- The arguments of a request, while it waits.
local function raw_of(record)
  return kv.get("input:" .. record.id)
end

-- A request as others see it, with arguments of at most so many bytes. Those of one that is over are gone.
local function shown(record, most)
  local out = {}
  for key, value in pairs(record) do
    out[key] = value
  end
  out.size, out.rpc, out.edited = nil, nil, nil
  if record.status == "pending" then
    local raw = record.size <= (most or SHOWN) and raw_of(record) or nil
    if raw then
      local read = ccproxy.json.decode(raw)
      out.input = read == nil and raw or read
    else
      out.input_cut = true
    end
    local left = record.expires - ccproxy.time.now()
    out.expires_in = left > 0 and left or 0
  end
  return out
end

local function list()
  local records = {}
  for _, key in ipairs(kv.keys("open:")) do
    local record = kv.get(key)
    if record then
      table.insert(records, record)
    end
  end
  table.sort(records, function(a, b)
    return a.created < b.created
  end)
  return records
end

-- All that waits, as others see it.
local function all_shown()
  local left, found = SHOWN_IN_ALL, ccproxy.json.array()
  for _, record in ipairs(list()) do
    local one = shown(record, math.min(left, SHOWN))
    left = left - (one.input_cut and 0 or record.size)
    table.insert(found, one)
  end
  return found
end

local function get(id)
  return kv.get("open:" .. id) or kv.get("done:" .. id)
end

-- Bytes of the arguments of all that waits.
local function held(records)
  local bytes = 0
  for _, record in ipairs(records) do
    bytes = bytes + record.size
  end
  return bytes
end

-- Puts a request down for a person. Nothing, and why, when there is no room.
local function open(ask, plugin)
  if closed then
    return nil, "the proxy is ending"
  end
  local waiting = list()
  local size = room.of(ask.raw)
  if #waiting >= plugin.config.max_pending then
    return nil, "too many tool calls wait for a decision already"
  elseif size > room.LARGEST then
    return nil, "the arguments are too large to wait for a decision"
  elseif held(waiting) + size > room.WAITING then
    room.missed()
    return nil, "there is no room for another tool call of this size that waits for a decision"
  end
  local now = ccproxy.time.now()
  local record = {
    id = ccproxy.crypto.uuid(),
    status = "pending",
    created = now,
    expires = now + plugin.config.timeout,
    tool = ask.tool,
    size = size,
    session = ask.session,
    client = ask.client,
    source = ask.source,
    path = ask.path,
    rpc = ask.rpc,
  }
  local ttl = plugin.config.timeout + 60
  local done = room.keep("alive:" .. record.id, true, SILENCE)
    and room.keep("input:" .. record.id, ask.raw, ttl)
    and room.keep("open:" .. record.id, record, ttl)
  if not done then
    kv.delete("input:" .. record.id)
    return nil, "there is no room for another tool call that waits for a decision"
  end
  events.emit("request", shown(record))
  return record
end

-- Ends a request, once: whoever takes it out of the list has the last word. Nothing when another had it;
-- nothing and why when the arguments that are to be used instead cannot be kept.
local function finish(record, outcome)
  local done = {}
  for key, value in pairs(record) do
    done[key] = value
  end
  for key, value in pairs(outcome) do
    done[key] = value
  end
  ---@type string?
  local edited
  if outcome.edited then
    -- Under a name of its own: another may answer at the same time.
    edited = "edited:" .. ccproxy.crypto.uuid()
    done.edited = edited
    if room.of(outcome.edited) > room.LARGEST or not room.keep(edited, outcome.edited, "1m") then
      return nil, "there is no room for these arguments: allow the call as it is, or deny it"
    end
  end
  if not kv.delete("open:" .. record.id) then
    if edited then
      kv.delete(edited)
    end
    return nil
  end
  kv.delete("input:" .. record.id)
  done.decided = ccproxy.time.now()
  if not room.keep("done:" .. record.id, done, RETENTION) then
    ccproxy.log.error("no room for a decision, so it counts as a no", { request = record.id })
  end
  local told = { id = done.id, tool = done.tool, status = done.status, by = done.by, message = done.message }
  events.emit(done.status == "expired" and "expired" or "resolved", told)
  ccproxy.notify("decided:" .. record.id, true, { keep = BEAT * 2 })
  return done
end

-- What became of a request, for the one who asked. The arguments that a person gave are read once.
local function taken(id)
  local done = kv.get("done:" .. id)
  if done and done.edited then
    local key = done.edited
    done.edited = kv.get(key)
    kv.delete(key)
    if not done.edited then
      -- What was asked for is not what was allowed.
      done.status, done.message = "denied", "the arguments that were to be used instead are lost"
    end
  end
  return done
end

-- Waits until a request is decided or its time is over. `beat` is called now and then.
local function wait(record, beat)
  local lost = 0
  while true do
    local left = record.expires - ccproxy.time.now()
    if left <= 0 then
      finish(record, { status = "expired" })
      return taken(record.id)
    end
    room.keep("alive:" .. record.id, true, SILENCE)
    if beat then
      beat()
    end
    ccproxy.wait("decided:" .. record.id, math.min(left, BEAT))
    local done = taken(record.id)
    if done then
      return done
    end
    -- Neither open nor over: just being decided, or the decision could not be kept.
    lost = kv.get("open:" .. record.id) and 0 or lost + 1
    if lost > 1 then
      return nil
    end
  end
end

-- Strikes out those whose asker has left.
local function sweep()
  for _, record in ipairs(list()) do
    if not kv.get("alive:" .. record.id) then
      finish(record, { status = "withdrawn", message = "whoever asked has left" })
    end
  end
end

-- Nobody can answer any more, so nobody waits, and listeners need not either.
local function close()
  closed = true
  for _, record in ipairs(list()) do
    finish(record, { status = "withdrawn", message = "the proxy is ending" })
  end
  ccproxy.notify("news", "closed")
end

-- Waits for an event. False when there will be none.
local function news(timeout)
  return not closed and ccproxy.wait("news", timeout) ~= "closed"
end

return {
  BEAT = BEAT,
  shown = shown,
  all_shown = all_shown,
  raw_of = raw_of,
  held = held,
  list = list,
  get = get,
  open = open,
  finish = finish,
  wait = wait,
  sweep = sweep,
  close = close,
  news = news,
}

-- Requests that wait for a person, those just decided, and the events about both. All of it is kept in the
-- store, so that a reload of the plugin loses nobody who waits.

local kv = ccproxy.kv

-- How long a decided request can still be looked up, and an event be asked for again.
local RETENTION = "5m"
-- Events kept for those who connect anew.
local EVENTS = 200
-- Bytes of the arguments that an event, or the list, shows.
local SHOWN = 16 * 1024
-- Who waits says so this often; who says nothing for so long has left.
local BEAT, SILENCE = 5, 15

-- The proxy is ending.
local closed = false

local function epoch()
  kv.add("epoch", ccproxy.crypto.hex_encode(ccproxy.crypto.random_bytes(4)))
  return kv.get("epoch")
end

-- A request as others see it. `whole`: with all of its arguments.
local function shown(record, whole)
  local out = {}
  for key, value in pairs(record) do
    out[key] = value
  end
  out.raw, out.rpc = nil, nil
  if whole or #record.raw <= SHOWN then
    out.input = ccproxy.json.decode(record.raw)
    if out.input == nil then
      out.input = record.raw
    end
  else
    out.input_cut = true
  end
  if record.status == "pending" then
    local left = record.expires - ccproxy.time.now()
    out.expires_in = left > 0 and left or 0
  end
  return out
end

local function emit(name, data)
  local number = kv.incr("number")
  kv.set(
    string.format("event:%012d", number),
    { number = number, name = name, data = data },
    { ttl = RETENTION }
  )
  kv.delete(string.format("event:%012d", number - EVENTS))
  ccproxy.notify("news", number, { keep = 0 })
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

local function get(id)
  return kv.get("open:" .. id) or kv.get("done:" .. id)
end

-- Puts a request down for a person. Nothing, and why, when there is no room.
local function open(ask, plugin)
  if closed then
    return nil, "the proxy is ending"
  end
  if #kv.keys("open:") >= plugin.config.max_pending then
    return nil, "too many tool calls wait for a decision already"
  end
  local now = ccproxy.time.now()
  local record = {
    id = ccproxy.crypto.uuid(),
    status = "pending",
    created = now,
    expires = now + plugin.config.timeout,
    tool = ask.tool,
    raw = ask.raw,
    session = ask.session,
    client = ask.client,
    source = ask.source,
    path = ask.path,
    rpc = ask.rpc,
  }
  local key = "open:" .. record.id
  local done = kv.set("alive:" .. record.id, true, { ttl = SILENCE })
    and kv.set(key, record, { ttl = plugin.config.timeout + 60 })
  if not done then
    return nil, "there is no room for another tool call that waits for a decision"
  end
  emit("request", shown(record))
  return record
end

-- Ends a request, once: whoever takes it out of the list has the last word.
local function finish(record, outcome)
  if not kv.delete("open:" .. record.id) then
    return nil
  end
  local done = {}
  for key, value in pairs(record) do
    done[key] = value
  end
  for key, value in pairs(outcome) do
    done[key] = value
  end
  done.decided = ccproxy.time.now()
  kv.set("done:" .. record.id, done, { ttl = RETENTION })
  local told = { id = done.id, tool = done.tool, status = done.status, by = done.by, message = done.message }
  emit(done.status == "expired" and "expired" or "resolved", told)
  ccproxy.notify("decided:" .. record.id, true, { keep = BEAT * 2 })
  return done
end

-- Waits until a request is decided or its time is over. `beat` is called now and then.
local function wait(record, beat)
  while true do
    local left = record.expires - ccproxy.time.now()
    if left <= 0 then
      return finish(record, { status = "expired" }) or kv.get("done:" .. record.id)
    end
    kv.set("alive:" .. record.id, true, { ttl = SILENCE })
    if beat then
      beat()
    end
    ccproxy.wait("decided:" .. record.id, math.min(left, BEAT))
    local done = kv.get("done:" .. record.id)
    if done then
      return done
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

-- The events after a number, oldest first.
local function after(number)
  local events = {}
  for _, key in ipairs(kv.keys("event:")) do
    local event = tonumber(string.sub(key, 7)) > number and kv.get(key)
    if event then
      table.insert(events, event)
    end
  end
  return events
end

local function newest()
  return kv.get("number") or 0
end

-- Whether all events after a number are still there.
local function has_all_after(number)
  local keys = kv.keys("event:", { limit = 1 })
  local oldest = keys[1] and tonumber(string.sub(keys[1], 7)) or newest() + 1
  return number <= newest() and number >= oldest - 1
end

return {
  BEAT = BEAT,
  epoch = epoch,
  shown = shown,
  list = list,
  get = get,
  open = open,
  finish = finish,
  wait = wait,
  sweep = sweep,
  close = close,
  news = news,
  after = after,
  newest = newest,
  has_all_after = has_all_after,
}

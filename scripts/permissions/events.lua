-- What is told to those who listen: numbered events, kept for a while for those who connect anew. A number
-- may have no event (there was no room for it, or its time is over): who meets such a hole begins anew.

local kv = ccproxy.kv
local room = require("room")

-- How long an event can be asked for again, and how many can.
local RETENTION, MOST = "5m", 200

local function key(number)
  return string.format("event:%012d", number)
end

-- Tells the numbers of this store from those of another.
local function epoch()
  kv.add("epoch", ccproxy.crypto.hex_encode(ccproxy.crypto.random_bytes(4)))
  return kv.get("epoch") or "0"
end

local function newest()
  return kv.get("number") or 0
end

local function emit(name, data)
  local number = kv.incr("number")
  if not number then
    -- A number more will not be told, but who listens looks at the list now and then.
    return
  end
  room.keep(key(number), { number = number, name = name, data = data }, RETENTION)
  kv.delete(key(number - MOST))
  ccproxy.notify("news", number, { keep = 0 })
end

-- The events after a number, oldest first; nothing when some of them are not there.
local function after(number)
  local found, last = {}, newest()
  if last - number > MOST then
    return nil
  end
  for one = number + 1, last do
    local event = kv.get(key(one))
    if not event then
      return nil
    end
    table.insert(found, event)
  end
  return found
end

-- Whether one may go on after a number.
local function has_all_after(number)
  return number <= newest() and after(number) ~= nil
end

return { epoch = epoch, newest = newest, emit = emit, after = after, has_all_after = has_all_after }

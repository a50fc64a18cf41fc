-- What people and their programs ask: the list, one request, the stream of events, and the answer.

local events = require("events")
local ledger = require("ledger")
local page = require("page")
local rules = require("rules")

local LONGEST_MESSAGE = 1000
-- Events after which a stream ends.
local MOST_TOLD = 1000

local function bad(text)
  return ccproxy.error(400, "invalid_request_error", text)
end

local function list(req, plugin)
  local accepts = req.headers["accept"] or ""
  if string.find(accepts, "text/html", 1, true) then
    return page()
  end
  return {
    json = { permissions = ledger.all_shown(), timeout = plugin.config.timeout },
    headers = { ["cache-control"] = "no-store" },
  }
end

local function find(req)
  local record = ledger.get(string.sub(req.params.id, 1, 64))
  if not record then
    return nil, ccproxy.error(404, "not_found_error", "there is no such request, or it is long over")
  end
  return record
end

local function one(req)
  local record, missing = find(req)
  return missing or { json = ledger.shown(record, math.huge), headers = { ["cache-control"] = "no-store" } }
end

---@type table<string, boolean>
local KEYS = { decision = true, input = true, message = true, always = true }

-- What a person said, or what is wrong with it.
local function read(body)
  if body:kind() ~= "object" then
    return nil, 'the body is `{"decision":"allow"}` or `{"decision":"deny"}`'
  end
  for _, key in ipairs(body:keys()) do
    if not KEYS[key] then
      return nil, "there is no key `" .. key .. "`: `decision`, `input`, `message`, `always`"
    end
  end
  local said = { decision = body:get("decision"), message = body:get("message"), always = body:get("always") }
  if said.decision ~= "allow" and said.decision ~= "deny" then
    return nil, "`decision` is `allow` or `deny`"
  elseif said.message ~= nil and (type(said.message) ~= "string" or #said.message > LONGEST_MESSAGE) then
    return nil, string.format("`message` is text of at most %d bytes", LONGEST_MESSAGE)
  end
  if said.always == true then
    said.always = "exact"
  elseif said.always == false then
    said.always = nil
  end
  if said.always ~= nil and said.always ~= "exact" and said.always ~= "tool" then
    return nil, "`always` is true, `exact` (these arguments alone) or `tool` (whatever its arguments)"
  end
  local kind = body:kind("input")
  if kind ~= nil and (kind ~= "object" or said.decision ~= "allow") then
    return nil, "`input` is an object, the arguments to be used instead, and goes with `allow`"
  elseif kind ~= nil and said.always then
    return nil, "`input` changes this call alone: leave out `always`"
  end
  said.edited = body:raw("input")
  return said
end

local function respond(req, plugin)
  local record, missing = find(req)
  if missing then
    return missing
  end
  local said, wrong = read(req.body)
  if not said then
    return bad(wrong)
  elseif said.edited and #said.edited > plugin.config.max_input then
    return bad("`input` is larger than `plugins.permissions.max_input`")
  end
  if record.status == "pending" then
    local outcome = {
      status = said.decision == "allow" and "allowed" or "denied",
      by = req.client.id,
      message = said.message,
      edited = said.edited,
      always = said.always,
    }
    local input = said.always and ccproxy.json.decode(ledger.raw_of(record) or "") or nil
    local done, full = ledger.finish(record, outcome)
    if full then
      return ccproxy.error(503, "overloaded_error", full)
    elseif done then
      local told = { id = done.id, status = done.status }
      if said.always then
        local ask = { tool = record.tool, source = record.source, input = input }
        local kept, why = rules.remember(ask, said.decision, said.always, req.client.id)
        told.remembered = kept == true
        told.problem = why
      end
      return { json = told }
    end
    record = ledger.get(record.id) or record
  end
  local text = string.format("this request is %s already", record.status)
  return ccproxy.error(409, "conflict_error", text)
end

-- The number in a `last-event-id` of ours.
local function resumed(req)
  local epoch, digits = string.match(req.headers["last-event-id"] or "", "^(%x+)-(%d+)$")
  local number = tonumber(digits)
  if epoch == events.epoch() and number and events.has_all_after(number) then
    return number
  end
  return nil
end

-- Events as they come. Who is new, was away too long, or missed one that could not be kept, is given all that
-- waits. Each turn sends something or waits. A stream that has told much ends, before it has run for longer than
-- a handler may: who listens comes again and goes on where it was.
local function stream(req)
  local last = resumed(req)
  return {
    headers = { ["cache-control"] = "no-store" },
    sse = function(out)
      local epoch = events.epoch()
      local function send(name, number, data)
        return out:send({ event = name, id = epoch .. "-" .. number, data = data })
      end
      local function snapshot()
        -- The number first: what comes meanwhile is told twice rather than not at all.
        last = events.newest()
        return send("snapshot", last, { permissions = ledger.all_shown() })
      end
      if not last and not snapshot() then
        return
      end
      local told = 0
      while told < MOST_TOLD do
        if events.newest() == last then
          local more = ledger.news(15)
          if events.newest() == last and not (more and out:comment("keep-alive")) then
            return
          end
        end
        if events.newest() ~= last then
          local news = events.after(last)
          if not news or #news == 0 then
            told = told + 20
            if not snapshot() then
              return
            end
          end
          for _, event in ipairs(news or {}) do
            last, told = event.number, told + 1
            if not send(event.name, event.number, event.data) then
              return
            end
          end
        end
      end
    end,
  }
end

return { list = list, one = one, respond = respond, stream = stream, page = page }

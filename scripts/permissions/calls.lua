-- What the formats share when a tool call of an answer is held.

local decide = require("decide")

-- Decides about a call of an answer on its way to a client. `raw` is its arguments as JSON, or as they are
-- when they are no JSON.
local function judge(req, plugin, tool, raw)
  local session = req.headers["x-claude-code-session-id"]
    or req.headers["session-id"]
    or req.headers["session_id"]
  return decide({
    tool = tool,
    raw = raw,
    session = session,
    client = req.client.id,
    source = "api",
    path = req.path,
  }, plugin)
end

-- What the client reads instead of the call.
local function refusal(tool, outcome)
  return string.format(
    "[The call of the tool `%s` was refused: %s.]",
    tool,
    outcome.message or "no reason given"
  )
end

-- Adds a piece to a text that is collected, up to a little more than what may be.
local function collect(call, piece, plugin)
  if call.size <= plugin.config.max_input then
    table.insert(call.pieces, piece)
    call.size = call.size + #piece
  end
end

-- What an event is to a client. Some go by its name, some by the `type` in its data: the latter counts, and
-- `handle` makes them agree, or one of them would read something that nobody decided about.
local function handle(ev, react)
  local inner = ev.data:get("type")
  local kind = type(inner) == "string" and inner or ev.type
  local result = react(kind)
  if ev.name == "" or ev.name == kind or result == ccproxy.DROP then
    return result
  end
  local renamed = {}
  for _, one in ipairs(result or { ev }) do
    table.insert(renamed, one == ev and { event = kind, data = ev.data:text() } or one)
  end
  return renamed
end

return { handle = handle, judge = judge, refusal = refusal, collect = collect }

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

return { judge = judge, refusal = refusal, collect = collect }

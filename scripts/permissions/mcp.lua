-- An MCP server (streamable HTTP) with one tool, `check_permission`: what Claude Code's
-- `--permission-prompt-tool` calls before it runs a tool.

local decide = require("decide")
local ledger = require("ledger")

local kv = ccproxy.kv

-- Newest first. 2025-03-26 alone has batches, which this server does not take.
local VERSIONS = { "2025-11-25", "2025-06-18", "2024-11-05" }
local HEADER = "mcp-session-id"
-- How long a session lives without a word, and how many there may be.
local LIFE, MOST = "6h", 500

local TOOL = {
  name = "check_permission",
  title = "Check permission",
  description = "Asks whether a tool may be called: rules first, then a person. Answers with JSON: "
    .. 'behavior "allow" and updatedInput, or behavior "deny" and message.',
  inputSchema = {
    type = "object",
    properties = {
      tool_name = { type = "string", description = "The tool that is to be called" },
      input = { type = "object", description = "What it is to be called with" },
      tool_use_id = { type = "string", description = "The id of the call" },
    },
    required = ccproxy.json.array({ "tool_name", "input" }),
  },
}

local function knows(version)
  for _, known in ipairs(VERSIONS) do
    if known == version then
      return true
    end
  end
  return false
end

-- The version to speak: the one that was asked for, or the next older one (a client that knows 2025-03-26
-- knows 2024-11-05 too), or the newest.
local function agreed(asked)
  for _, known in ipairs(VERSIONS) do
    if type(asked) == "string" and known <= asked then
      return known
    end
  end
  return VERSIONS[1]
end

-- One JSON-RPC answer, as text: the id stays as it was written.
local function result(id, value)
  return string.format('{"jsonrpc":"2.0","id":%s,"result":%s}', id, ccproxy.json.encode(value))
end

local function failure(id, code, message)
  local problem = ccproxy.json.encode({ code = code, message = message })
  return string.format('{"jsonrpc":"2.0","id":%s,"error":%s}', id or "null", problem)
end

local function answer(text, status, headers)
  headers = headers or {}
  headers["content-type"] = "application/json"
  return { status = status or 200, headers = headers, body = text }
end

local function initialize(req, id)
  if #kv.keys("mcp:", { limit = MOST }) >= MOST then
    return answer(failure(id, -32000, "too many sessions; try again later"), 503, { ["retry-after"] = "60" })
  end
  local asked = req.body:get("params.protocolVersion")
  local version = agreed(asked)
  local session = ccproxy.crypto.uuid()
  local done = kv.set("mcp:" .. session, { client = req.client.id }, { ttl = LIFE })
  if not done then
    return answer(failure(id, -32000, "no room for another session"), 503, { ["retry-after"] = "60" })
  end
  local told = {
    protocolVersion = version,
    capabilities = { tools = { listChanged = false } },
    serverInfo = { name = "ccproxy-permissions", version = ccproxy.version },
  }
  return answer(result(id, told), 200, { [HEADER] = session })
end

-- The decision in the words of `--permission-prompt-tool`.
local function said(outcome, raw)
  local text
  if outcome.allow then
    text = string.format('{"behavior":"allow","updatedInput":%s}', outcome.raw or raw)
  else
    text = ccproxy.json.encode({ behavior = "deny", message = outcome.message or "denied" })
  end
  return { content = ccproxy.json.array({ { type = "text", text = text } }), isError = false }
end

local function call(req, plugin, session, id)
  local params = "params.arguments."
  local name = req.body:get("params.name")
  if name ~= TOOL.name then
    return answer(failure(id, -32602, "there is one tool, `check_permission`"))
  end
  local tool = req.body:get(params .. "tool_name")
  if type(tool) ~= "string" or tool == "" or req.body:kind(params .. "input") ~= "object" then
    return answer(failure(id, -32602, "`check_permission` takes `tool_name` (text) and `input` (an object)"))
  end
  local ask = {
    tool = tool,
    raw = req.body:raw(params .. "input"),
    session = session,
    client = req.client.id,
    source = "mcp",
    path = req.path,
    rpc = session .. " " .. id,
  }
  local raw = ask.raw
  local accepts = req.headers["accept"] or ""
  if not string.find(accepts, "text/event-stream", 1, true) then
    return answer(result(id, said(decide(ask, plugin), raw)))
  end
  -- A person may take longer than a connection lives without a byte.
  return {
    sse = function(stream)
      local outcome = decide(ask, plugin, function()
        stream:comment("waiting")
      end)
      stream:send({ event = "message", data = result(id, said(outcome, raw)) })
    end,
  }
end

-- A call that its client does not want answered any more is struck out.
local function cancel(req, session)
  local id = req.body:raw("params.requestId")
  for _, record in ipairs(ledger.list()) do
    if id and record.rpc == session .. " " .. id then
      ledger.finish(record, { status = "withdrawn", message = "whoever asked took it back" })
    end
  end
end

-- The session of a request, or the answer to one without.
local function session_of(req, id)
  local session = req.headers[HEADER]
  if not session then
    return nil, answer(failure(id, -32600, "no `mcp-session-id`: begin with `initialize`"), 400)
  end
  local known = kv.get("mcp:" .. string.sub(session, 1, 64))
  if not known or known.client ~= req.client.id then
    return nil, answer(failure(id, -32001, "this session is over: begin again with `initialize`"), 404)
  end
  kv.expire("mcp:" .. session, LIFE)
  return session
end

local function post(req, plugin)
  local body = req.body
  local shape = body:kind()
  if shape == nil then
    return answer(failure(nil, -32700, "the body is no JSON"), 400)
  elseif shape ~= "object" or body:get("jsonrpc") ~= "2.0" then
    return answer(failure(nil, -32600, "the body is one message of JSON-RPC 2.0"), 400)
  end
  local method = body:get("method")
  local id, id_kind = body:raw("id"), body:kind("id")
  if id_kind ~= nil and id_kind ~= "string" and id_kind ~= "number" then
    return answer(failure(nil, -32600, "`id` is text or a number"), 400)
  elseif id and #id > 256 then
    return answer(failure(nil, -32600, "`id` is too long"), 400)
  elseif method == nil and (body:kind("result") or body:kind("error")) then
    -- An answer, to a question that was never asked.
    return { status = 202 }
  elseif type(method) ~= "string" then
    return answer(failure(id, -32600, "no `method`"), 400)
  end
  local version = req.headers["mcp-protocol-version"]
  if version and not knows(version) then
    return answer(failure(id, -32600, "this server speaks MCP " .. table.concat(VERSIONS, ", ")), 400)
  end
  if method == "initialize" and id then
    return initialize(req, id)
  end
  local session, refused = session_of(req, id)
  if not session then
    return refused
  elseif id == nil then
    if method == "notifications/cancelled" then
      cancel(req, session)
    end
    return { status = 202 }
  elseif method == "ping" then
    return answer(result(id, ccproxy.json.object()))
  elseif method == "tools/list" then
    return answer(result(id, { tools = ccproxy.json.array({ TOOL }) }))
  elseif method == "tools/call" then
    return call(req, plugin, session, id)
  end
  local shown = string.sub(method, 1, 100)
  return answer(failure(id, -32601, string.format("there is no method `%s`", shown)))
end

local function delete(req)
  local session, refused = session_of(req, nil)
  if not session then
    return refused
  end
  kv.delete("mcp:" .. session)
  return { status = 204 }
end

-- The server has nothing to say of its own accord.
local function get()
  local text = failure(nil, -32000, "this server offers no stream: POST your messages")
  return answer(text, 405, { allow = "POST, DELETE" })
end

return { post = post, delete = delete, get = get }

-- Decides about tool calls: rules first, then a person, then the time-out's default.

local decide = require("decide")
local ledger = require("ledger")
local mcp = require("mcp")
local room = require("room")
local routes = require("routes")
local rules = require("rules")

local FORMATS = {
  anthropic_messages = require("anthropic_messages"),
  openai_chat = require("openai_chat"),
  openai_responses = require("openai_responses"),
}

local schema = ccproxy.schema

local RULE = schema.table {
  fields = {
    action = schema.enum({ "allow", "deny", "ask" }, { required = true, doc = "What becomes of the call" }),
    tool = schema.string { default = "*", doc = "The tool; `*` is any run of characters" },
    client = schema.string { default = "*", doc = "Whose key it was; `anonymous` without keys" },
    path = schema.string { default = "*", doc = "Where the call was asked about or answered" },
    source = schema.string { default = "*", doc = "`api`, `mcp` or `service`" },
    arguments = schema.map {
      of = schema.string(),
      default = {},
      doc = "Regular expressions by name of argument; all must match",
    },
    exact = schema.boolean { default = false, doc = "Whether the call may have no other arguments" },
    message = schema.string { doc = "What is told when it denies" },
  },
}

-- `permissions.check { tool =, input =, session =, client = }`, for other plugins.
local function check(plugin)
  return function(ask, input, session, client)
    if type(ask) ~= "table" then
      ask = { tool = ask, input = input, session = session, client = client }
    end
    if type(ask.tool) ~= "string" or ask.tool == "" then
      error(ccproxy.error(400, "invalid_request_error", "`permissions.check` needs `tool`, the tool's name"))
    end
    local given = ask.input
    if given == nil or given == ccproxy.null then
      given = ccproxy.json.object()
    end
    local function text(value)
      return type(value) == "string" and string.sub(value, 1, 256) or nil
    end
    local outcome = decide({
      tool = ask.tool,
      raw = ccproxy.json.encode(given),
      session = text(ask.session),
      client = text(ask.client) or "anonymous",
      path = text(ask.path) or "",
      source = "service",
    }, plugin())
    return {
      decision = outcome.allow and "allow" or "deny",
      input = outcome.allow and (outcome.raw and ccproxy.json.decode(outcome.raw) or given) or nil,
      message = outcome.message,
      by = outcome.by,
    }
  end
end

local self

---@type ccproxy.Plugin
return {
  name = "permissions",
  version = "1.0.0",
  description = "Decides about tool calls: rules, then a person, then a default",
  enabled = false,
  capabilities = { "kv", "files" },
  patience = "1h",
  config = {
    default = schema.enum({ "ask", "allow", "deny" }, {
      default = "ask",
      doc = "What becomes of a call that no rule is about",
    }),
    timeout = schema.duration { default = "60s", min = "1s", max = "55m", doc = "How long a person may take" },
    on_timeout = schema.enum({ "deny", "allow" }, { default = "deny", doc = "What becomes of it then" }),
    hold = schema.boolean {
      default = false,
      doc = "Whether tool calls in answers to API clients are decided about too, before the client sees them",
    },
    max_pending = schema.integer { default = 100, min = 1, max = 500, doc = "Most calls that wait at once" },
    max_input = schema.size { default = "256KiB", max = "1MiB", doc = "Largest arguments of a call" },
    rules = schema.list { of = RULE, default = {}, doc = "The first that matches decides" },
  },
  services = { permissions = { check = check(function()
    return self
  end) } },
  middleware = {
    {
      name = "hold",
      layer = "security",
      when = { routes = { "provider" }, methods = { "POST", "GET" } },
      body = "write",
      enabled = function(plugin)
        return plugin.config.hold
      end,
      request = function(req)
        return not FORMATS[req.format] and ccproxy.DONE or nil
      end,
      response = function(req, res, plugin)
        if res.status < 300 and res.body and res.body:kind() == "object" then
          FORMATS[req.format].whole(req, res.body, plugin)
        end
      end,
      event = function(req, ev, plugin)
        if ev.data:kind() == "object" then
          return FORMATS[req.format].event(req, ev, plugin)
        end
      end,
    },
  },
  routes = {
    {
      path = "",
      handler = routes.list,
      summary = "Tool calls that wait for a decision; a page for browsers",
    },
    {
      path = "/page",
      handler = routes.page,
      auth = false,
      summary = "The page; it holds no data and asks for the key",
    },
    { path = "/stream", handler = routes.stream, summary = "Their events, as they come" },
    { path = "/{id}", handler = routes.one, summary = "One of them" },
    { method = "POST", path = "/{id}/respond", handler = routes.respond, summary = "Decides about it" },
    {
      method = "POST",
      prefix = "/mcp/permission",
      path = "/check",
      handler = mcp.post,
      summary = "An MCP server for `--permission-prompt-tool`",
    },
    {
      method = "GET",
      prefix = "/mcp/permission",
      path = "/check",
      handler = mcp.get,
      summary = "It offers no stream",
    },
    {
      method = "DELETE",
      prefix = "/mcp/permission",
      path = "/check",
      handler = mcp.delete,
      summary = "Ends an MCP session",
    },
  },
  hooks = { ["app.draining"] = ledger.close },
  tasks = { { name = "sweep", every = "5s", run = ledger.sweep } },
  setup = function(plugin)
    self = plugin
    rules.configure(plugin.config.rules)
    rules.reload()
  end,
  health = function()
    rules.reload()
    local waiting = ledger.list()
    local held = ledger.held(waiting)
    local configured, written = rules.counts()
    local facts = { pending = #waiting, pending_bytes = held, rules = configured, file_rules = written }
    if rules.problem() then
      return "warn", "the rules file does not count: " .. rules.problem(), facts
    elseif room.problem(held) then
      return "warn", room.problem(held), facts
    end
    return "pass",
      string.format(
        "%d waiting; %d rule%s of the configuration, %d of rules.toml",
        #waiting,
        configured,
        configured == 1 and "" or "s",
        written
      ),
      facts
  end,
  shutdown = function()
    ccproxy.file.flush()
  end,
}

-- Asks a second model the same, after the client has its answer, and keeps what it would have said for a comparison. It
-- goes through the proxy itself, so that any provider can be the second one, whatever the client's format.

---@type ccproxy.Plugin
return {
  name = "shadow",
  version = "1.0.0",
  description = "Replays requests to a second model",
  -- The address of this proxy. `wire` shows the bytes of requests.
  capabilities = { "wire", "files", "http:127.0.0.1:8000" },
  config = {
    base = ccproxy.schema.url { default = "http://127.0.0.1:8000", doc = "Where this proxy listens" },
    model = ccproxy.schema.string {
      default = "mock/mock",
      doc = "The second model, as the front door knows it",
    },
    percent = ccproxy.schema.number { default = 10, min = 0, max = 100, doc = "The part of the requests" },
    key = ccproxy.schema.secret { doc = "A client key, where the proxy asks for one" },
  },
  hooks = {
    ["http.request"] = function(event, plugin)
      -- What this plugin asks comes by here, too.
      if
        event.side ~= "client"
        or event.headers["x-shadow-of"]
        or event.method ~= "POST"
        or not event.body
      then
        return
      end
      if math.random() * 100 >= plugin.config.percent then
        return
      end
      local body = ccproxy.json.decode(event.body)
      if type(body) ~= "table" then
        return
      end
      local first = body.model
      body.model, body.stream = plugin.config.model, false
      local path = ccproxy.re.find([[/responses$]], event.path) and "/v1/responses"
        or ccproxy.re.find([[/chat/completions$]], event.path) and "/v1/chat/completions"
        or "/v1/messages"
      local headers = { ["x-shadow-of"] = event.id }
      if plugin.config.key then
        headers["x-api-key"] = plugin.config.key
      end
      local answer, err =
        ccproxy.http.post(plugin.config.base .. path, { json = body, headers = headers, timeout = "60s" })
      ccproxy.file.append("shadow.jsonl", ccproxy.json.encode({
        of = event.id,
        first = first,
        second = plugin.config.model,
        status = answer and answer.status,
        answer = answer and answer.body,
        error = err and err.message,
      }) .. "\n", { max_size = 64 * 1024 * 1024 })
    end,
  },
}

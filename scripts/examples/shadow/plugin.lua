-- Asks a second model the same, after the client has its answer, and keeps what it would have said for a comparison. It
-- goes through the proxy itself, so that any provider can be the second one, whatever the client's format.

---@type ccproxy.Plugin
return {
  name = "shadow",
  version = "1.1.0",
  description = "Replays requests to a second model",
  -- The address of this proxy. `wire` shows the bytes of requests.
  capabilities = { "wire", "files", "http:127.0.0.1:8000" },
  -- The second model may need longer than other handlers may take.
  patience = "5m",
  config = {
    base = ccproxy.schema.url { default = "http://127.0.0.1:8000", doc = "Where this proxy listens" },
    model = ccproxy.schema.string {
      default = "mock/mock",
      doc = "The second model, as the front door knows it",
    },
    percent = ccproxy.schema.number { default = 10, min = 0, max = 100, doc = "The part of the requests" },
    timeout = ccproxy.schema.duration {
      default = "2m",
      min = 1,
      max = 300,
      doc = "How long the second model may take",
    },
    key = ccproxy.schema.secret { doc = "A client key, where the proxy asks for one" },
  },
  -- One after the other: while the second model is slow, requests queue up, and what is too much is left out.
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
      -- Not what merely counts tokens.
      local path = ccproxy.re.match([[/(messages|chat/completions|responses)$]], event.path)
      if not path then
        return
      end
      local body = ccproxy.json.decode(event.body)
      if type(body) ~= "table" then
        return
      end
      local first = body.model
      body.model, body.stream, body.stream_options = plugin.config.model, false, nil
      local headers = { ["x-shadow-of"] = event.id }
      if plugin.config.key then
        headers["x-api-key"] = plugin.config.key
      end
      local answer, err = ccproxy.http.post(
        plugin.config.base .. "/v1/" .. path,
        { json = body, headers = headers, timeout = plugin.config.timeout }
      )
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

-- Posts to a web hook when an exchange fails or a provider answers with an error; at most one post for each kind and minute.

local function tell(plugin, kind, fields)
  if not ccproxy.kv.add("told:" .. kind, 1, { ttl = plugin.config.every }) then
    return
  end
  local answer, err = ccproxy.http.post(plugin.config.url, { json = fields, timeout = "5s" })
  if not answer or answer.status >= 300 then
    ccproxy.log.warn("the hook was not told", { why = answer and answer.status or err and err.message })
  end
end

---@type ccproxy.Plugin
return {
  name = "failure_webhook",
  version = "1.0.0",
  description = "Posts failures to a web hook",
  -- Name the host of your hook here.
  capabilities = { "kv", "http:hooks.example.com" },
  config = {
    url = ccproxy.schema.url { default = "https://hooks.example.com/ccproxy", doc = "Where to post" },
    every = ccproxy.schema.duration { default = "1m", min = 1, doc = "Time between two posts of one kind" },
  },
  hooks = {
    ["request.failed"] = function(event, plugin)
      tell(
        plugin,
        event.error.kind,
        { text = event.error.message, model = event.model, client = event.client, id = event.id }
      )
    end,
    ["provider.response.received"] = function(event, plugin)
      if event.status >= 500 then
        tell(
          plugin,
          "status " .. event.status,
          { text = "the provider answered " .. event.status, provider = event.provider, id = event.id }
        )
      end
    end,
  },
}

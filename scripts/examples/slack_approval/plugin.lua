-- Holds expensive requests until somebody in a Slack channel has followed one of two links.

---@type ccproxy.Plugin
return {
  name = "slack_approval",
  version = "1.1.0",
  description = "Somebody in a Slack channel lets expensive requests pass",
  capabilities = { "http:hooks.slack.com" },
  -- A person needs longer than other handlers may take.
  patience = "15m",
  config = {
    hook = ccproxy.schema.secret {
      default = "https://hooks.slack.com/services/T/B/X",
      doc = "The channel's incoming web hook",
    },
    base = ccproxy.schema.url { default = "http://127.0.0.1:8000", doc = "This proxy, as the people reach it" },
    models = ccproxy.schema.list {
      of = ccproxy.schema.string(),
      default = { "claude-opus-*" },
      doc = "Models that need a yes",
    },
    wait = ccproxy.schema.duration {
      default = "10m",
      min = 1,
      max = 900,
      doc = "No answer in this time means no",
    },
  },
  middleware = {
    {
      layer = "security",
      when = { methods = { "POST" } },
      request = function(req, plugin)
        -- To count tokens costs nothing.
        local free = ccproxy.re.glob({ "*/count_tokens", "*/input_tokens" }, req.path)
        if free or not ccproxy.re.glob(plugin.config.models, req.model or "") then
          return
        end
        -- Whoever knows it may decide: it is not to be guessed.
        local token = ccproxy.crypto.hex_encode(ccproxy.crypto.random_bytes(16))
        local link = plugin.config.base .. "/slack_approval/" .. token
        local text = "%s asks for %s. <%s/yes|Let it pass> or <%s/no|refuse it>"
        local answer, err = ccproxy.http.post(plugin.config.hook, {
          json = {
            text = string.format(text, req.client.id, req.model or "a model", link, link),
            -- Whoever fetches a link for a preview would decide.
            unfurl_links = false,
            unfurl_media = false,
          },
          timeout = "10s",
        })
        if not answer or answer.status ~= 200 then
          ccproxy.log.warn(
            "the channel was not asked",
            { why = answer and answer.status or err and err.message }
          )
          return ccproxy.error(503, "api_error", "nobody could be asked whether this request may pass")
        end
        local decision = ccproxy.wait(token, plugin.config.wait)
        if decision ~= "yes" then
          local why = decision and "was refused" or "was not decided in time"
          return ccproxy.error(403, "permission_error", "this request " .. why)
        end
      end,
    },
  },
  routes = {
    {
      path = "/{token}/{decision}",
      summary = "The links in the channel",
      -- A browser has no client key; the token is one.
      auth = false,
      handler = function(req)
        local decision = req.params.decision
        if decision ~= "yes" and decision ~= "no" then
          return ccproxy.error(404, "not_found_error", "it is `yes` or `no`")
        end
        local woken = ccproxy.notify(req.params.token, decision, { keep = "1ms" })
        return { body = woken and woken > 0 and "Thank you." or "It is over already." }
      end,
    },
  },
}

-- Refuses prompts that hold keys and passwords, before they leave the machine.

local PATTERNS = {
  { name = "AWS access key", pattern = ccproxy.re.compile([=[\b(?:AKIA|ASIA)[0-9A-Z]{16}\b]=]) },
  { name = "GitHub token", pattern = ccproxy.re.compile([=[\bgh[pousr]_[A-Za-z0-9]{36,}\b]=]) },
  { name = "private key", pattern = ccproxy.re.compile([=[-----BEGIN [A-Z ]*PRIVATE KEY-----]=]) },
  { name = "Slack token", pattern = ccproxy.re.compile([=[\bxox[abprs]-[A-Za-z0-9-]{10,}]=]) },
  { name = "provider key", pattern = ccproxy.re.compile([=[\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{20,}]=]) },
  { name = "password", pattern = ccproxy.re.compile([=[(?i)\b(?:password|passwd|secret)\s*[:=]\s*\S{8,}]=]) },
}

---@type ccproxy.Plugin
return {
  name = "secrets_scanner",
  version = "1.0.0",
  description = "Refuses prompts with keys and passwords in them",
  config = {
    only_warn = ccproxy.schema.boolean { default = false, doc = "Log it and let it pass" },
    except = ccproxy.schema.list {
      of = ccproxy.schema.string(),
      default = {},
      doc = "Names of patterns that do not count",
    },
  },
  middleware = {
    {
      layer = "security",
      when = { methods = { "POST" } },
      body = "read",
      request = function(req, plugin)
        local text = req.body:text()
        for _, one in PATTERNS do
          if ccproxy.re.is(one.pattern, text) and not table.find(plugin.config.except, one.name) then
            ccproxy.log.warn(
              "a prompt holds a secret",
              { kind = one.name, client = req.client.id, id = req.id }
            )
            if not plugin.config.only_warn then
              return ccproxy.error(
                400,
                "invalid_request_error",
                "the prompt holds what looks like a " .. one.name
              )
            end
          end
        end
      end,
    },
  },
}

-- Answers a question that was asked before without asking the provider: whole answers of the same client to the same
-- body. Streams pass.

---@type ccproxy.Plugin
return {
  name = "response_cache",
  version = "1.1.0",
  description = "Whole answers to the same question from memory",
  capabilities = { "kv" },
  config = {
    ttl = ccproxy.schema.duration { default = "10m", min = 1, doc = "How long an answer is good" },
    max_bytes = ccproxy.schema.size { default = "256KiB", max = "900KiB", doc = "Longer ones are not kept" },
  },
  middleware = {
    {
      layer = "routing",
      when = { methods = { "POST" }, stream = false },
      body = "write",
      around = function(req, next, plugin)
        local key = ccproxy.crypto.sha256(req.client.id .. "\n" .. req.path .. "\n" .. req.body:text())
        local kept = ccproxy.kv.get(key)
        if kept then
          return { headers = { ["content-type"] = "application/json", ["x-cache"] = "hit" }, body = kept }
        end
        local res, err = next()
        if not res then
          return err
        end
        local json = string.find(res.headers["content-type"] or "", "json", 1, true)
        local body = json and res.status == 200 and not res.stream and res:read() and res.body
        if body and body:size() <= plugin.config.max_bytes then
          ccproxy.kv.set(key, body:text(), { ttl = plugin.config.ttl })
          res.headers["x-cache"] = "miss"
        end
        return res
      end,
    },
  },
}

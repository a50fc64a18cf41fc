-- Keeps the model's thinking from clients that should not see it: takes those events and blocks out of answers.

---@type ccproxy.Plugin
return {
  name = "no_thinking_shown",
  version = "1.0.0",
  description = "Takes thinking out of answers",
  middleware = {
    {
      layer = "transformation",
      when = { formats = { "anthropic_messages" }, methods = { "POST" } },
      body = "write",
      response = function(_, res)
        if not res.body then
          return
        end
        for at = res.body:len("content") or 0, 1, -1 do
          if
            ccproxy.re.glob(
              { "thinking", "redacted_thinking" },
              tostring(res.body:get("content[" .. at .. "].type"))
            )
          then
            res.body:delete("content[" .. at .. "]")
          end
        end
      end,
      event = function(req, ev)
        local at = ev.data:get("index")
        if ev.type == "content_block_start" then
          local kind = ev.data:get("content_block.type")
          req.state.hidden = req.state.hidden or {}
          req.state.hidden[at] = kind == "thinking" or kind == "redacted_thinking"
          req.state.gone = (req.state.gone or 0) + (req.state.hidden[at] and 1 or 0)
        end
        if at == nil or not req.state.hidden then
          return nil
        end
        if req.state.hidden[at] then
          return ccproxy.DROP
        end
        -- Blocks are counted without gaps.
        if req.state.gone > 0 then
          ev.data:set("index", at - req.state.gone)
        end
        return nil
      end,
    },
  },
}

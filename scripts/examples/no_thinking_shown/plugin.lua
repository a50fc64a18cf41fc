-- Keeps the model's thinking from clients that should not see it: takes those events and blocks out of answers, in every
-- format. Providers that want to be sent back what the model thought before it called a tool are not: leave this away from
-- clients that use tools with thinking.

local KINDS = { "thinking", "redacted_thinking", "reasoning" }
-- Where servers of Chat Completions put it.
local FIELDS = { "reasoning_content", "reasoning", "reasoning_details" }

-- Takes thinking out of a list of blocks or items.
local function clear(body, list)
  for at = body:len(list) or 0, 1, -1 do
    if table.find(KINDS, body:get(list .. "[" .. at .. "].type")) then
      body:delete(list .. "[" .. at .. "]")
    end
  end
end

local function clear_choices(body, part)
  for at = 1, body:len("choices") or 0 do
    for _, field in FIELDS do
      body:delete("choices[" .. at .. "]." .. part .. "." .. field)
    end
  end
end

---@type ccproxy.Plugin
return {
  name = "no_thinking_shown",
  version = "1.1.0",
  description = "Takes thinking out of answers",
  middleware = {
    {
      layer = "transformation",
      when = { methods = { "POST" } },
      body = "write",
      response = function(_, res)
        if res.body then
          clear(res.body, "content")
          clear(res.body, "output")
          clear_choices(res.body, "message")
        end
      end,
      event = function(req, ev)
        local state, data = req.state, ev.data
        clear_choices(data, "delta")
        clear(data, "response.output")
        -- Blocks of Messages and items of Responses have a number.
        local place = data:kind("output_index") and "output_index" or "index"
        local at = data:get(place)
        if at == nil then
          return nil
        end
        state.hidden, state.gone = state.hidden or {}, state.gone or 0
        if
          table.find(KINDS, data:get("content_block.type") or data:get("item.type")) and not state.hidden[at]
        then
          state.hidden[at] = true
          state.gone = state.gone + 1
        end
        if state.hidden[at] then
          return ccproxy.DROP
        end
        -- They are counted without gaps.
        if state.gone > 0 then
          data:set(place, at - state.gone)
        end
        return nil
      end,
    },
  },
}

-- Takes mail addresses and card numbers out of prompts, and puts them back into answers: the provider sees
-- `[EMAIL_1]`, the client what it wrote.

local KINDS = {
  { name = "EMAIL", pattern = ccproxy.re.compile([=[[\w.+-]+@[\w-]+(?:\.[\w-]+)+]=]) },
  { name = "CARD", pattern = ccproxy.re.compile([[\b(?:\d[ -]?){13,16}\b]]) },
}
local MARK = assert(ccproxy.re.compile([=[\[(?:EMAIL|CARD)_\d+\]]=]))
-- Something that may become a mark when the next piece comes.
local BEGUN = assert(ccproxy.re.compile([=[\[[A-Z]{0,5}(?:_\d{0,4})?$]=]))

local function hide(text, state)
  for _, kind in KINDS do
    text = ccproxy.re.gsub(kind.pattern, text, function(found)
      if not state.marks[found] then
        state.count = state.count + 1
        local mark = "[" .. kind.name .. "_" .. state.count .. "]"
        state.marks[found], state.values[mark] = mark, found
      end
      return state.marks[found]
    end)
  end
  return text
end

-- Every text at any depth: prompts stand in many places.
local function walk(value, change)
  if type(value) == "string" then
    return change(value)
  elseif type(value) == "table" then
    for key, item in value do
      if key ~= "type" and key ~= "role" and key ~= "id" then
        value[key] = walk(item, change)
      end
    end
  end
  return value
end

local function restore(text, state)
  return (ccproxy.re.gsub(MARK, text, function(mark)
    return state.values[mark]
  end))
end

---@type ccproxy.Plugin
return {
  name = "prompt_redaction",
  version = "1.0.0",
  description = "Hides mail addresses and card numbers from the provider, and restores them in answers",
  middleware = {
    {
      layer = "transformation",
      when = { methods = { "POST" } },
      body = "write",
      request = function(req)
        req.state.marks, req.state.values, req.state.count, req.state.held = {}, {}, 0, ""
        for _, path in { "system", "messages", "input", "instructions" } do
          local kind = req.body:kind(path)
          if kind == "string" or kind == "array" then
            local before = req.state.count
            local value = walk(req.body:get(path), function(text)
              return hide(text, req.state)
            end)
            -- What is not changed stays byte for byte, for the provider's cache.
            if req.state.count > before or next(req.state.marks) then
              req.body:set(path, value)
            end
          end
        end
        if req.state.count == 0 then
          return ccproxy.DONE
        end
      end,
      response = function(req, res)
        if res.body then
          local whole = res.body:table()
          for _, path in { "content", "choices", "output" } do
            if type(whole) == "table" and whole[path] then
              res.body:set(
                path,
                walk(whole[path], function(text)
                  return restore(text, req.state)
                end)
              )
            end
          end
        end
      end,
      event = function(req, ev)
        local text = ev.text
        local held = req.state.held
        if not text then
          if held == "" or not req.state.last then
            return nil
          end
          -- What looked like a mark was none: it goes out before what comes next.
          req.state.held = ""
          return { { event = req.state.last, data = req.state.shape(held) }, ev }
        end
        local name = ev.name
        local path ---@type string?
        for _, place in { "delta.text", "choices[1].delta.content", "delta" } do
          if ev.data:kind(place) == "string" then
            path = place
            break
          end
        end
        local copy = ev.data:table()
        req.state.last = name
        req.state.shape = function(piece)
          if path == "delta.text" then
            copy.delta.text = piece
          elseif path == "delta" then
            copy.delta = piece
          elseif path then
            copy.choices[1].delta.content = piece
          end
          return copy
        end
        text = restore(held .. text, req.state)
        local begun = ccproxy.re.find(BEGUN, text)
        req.state.held = begun and string.sub(text, begun) or ""
        ev.text = begun and string.sub(text, 1, begun - 1) or text
        return nil
      end,
    },
  },
}

-- Refuses prompts that are mostly in another script than the allowed ones, which is a cheap sign of the language.

local SCRIPTS = {
  latin = ccproxy.re.compile([[\p{Latin}]]),
  cyrillic = ccproxy.re.compile([[\p{Cyrillic}]]),
  greek = ccproxy.re.compile([[\p{Greek}]]),
  han = ccproxy.re.compile([[\p{Han}]]),
  kana = ccproxy.re.compile([=[[\p{Hiragana}\p{Katakana}]]=]),
  hangul = ccproxy.re.compile([[\p{Hangul}]]),
  arabic = ccproxy.re.compile([[\p{Arabic}]]),
}
local NAMES = { "latin", "cyrillic", "greek", "han", "kana", "hangul", "arabic" }
local LETTER = assert(ccproxy.re.compile([[\p{L}]]))
-- Enough of a text to know it by.
local MOST = 2000

-- The last thing that the user said, in any format.
local function last_words(body)
  for _, list in { "messages", "input" } do
    for at = body:kind(list) == "array" and body:len(list) or 0, 1, -1 do
      local item = list .. "[" .. at .. "]"
      -- Not what tools said, nor the beginning of the answer.
      if body:get(item .. ".role") == "user" then
        local content = body:get(item .. ".content")
        if type(content) == "table" then
          local texts = {}
          for _, part in content do
            table.insert(texts, type(part) == "table" and type(part.text) == "string" and part.text or "")
          end
          content = table.concat(texts, " ")
        end
        return type(content) == "string" and string.sub(content, 1, MOST) or ""
      end
    end
  end
  local input = body:get("input")
  return type(input) == "string" and string.sub(input, 1, MOST) or ""
end

---@type ccproxy.Plugin
return {
  name = "language_guard",
  version = "1.1.0",
  description = "Refuses prompts in other scripts than the allowed ones",
  config = {
    scripts = ccproxy.schema.list {
      of = ccproxy.schema.enum(NAMES),
      default = { "latin" },
      doc = "What is allowed",
    },
    share = ccproxy.schema.number {
      default = 0.5,
      min = 0,
      max = 1,
      doc = "The part of the letters that must be",
    },
  },
  middleware = {
    {
      layer = "security",
      when = { methods = { "POST" } },
      body = "read",
      request = function(req, plugin)
        local text = last_words(req.body)
        local letters = #ccproxy.re.all(LETTER, text)
        local allowed = 0
        for _, name in plugin.config.scripts do
          allowed = allowed + #ccproxy.re.all(SCRIPTS[name], text)
        end
        if letters > 0 and allowed / letters < plugin.config.share then
          local list = table.concat(plugin.config.scripts, ", ")
          return ccproxy.error(
            400,
            "invalid_request_error",
            "prompts are expected in these scripts: " .. list
          )
        end
      end,
    },
  },
}

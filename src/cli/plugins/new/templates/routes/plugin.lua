-- Routes of its own, under /@NAME@: notes that are kept, and a stream of events.

---@type ccproxy.Plugin
return {
  name = "@NAME@",
  version = "0.1.0",
  description = "Keeps notes",
  capabilities = { "kv" },
  routes = {
    {
      path = "/{key}",
      summary = "A note",
      handler = function(req)
        local note = ccproxy.kv.get(req.params.key)
        if note == nil then
          return ccproxy.error(404, "not_found_error", "there is no such note")
        end
        return { json = { note = note } }
      end,
    },
    {
      method = "POST",
      path = "/{key}",
      summary = "Keeps a note for a day",
      handler = function(req)
        local note = req.body:get("note")
        if type(note) ~= "string" then
          return ccproxy.error(400, "invalid_request_error", "`note` is text")
        end
        ccproxy.kv.set(req.params.key, note, { ttl = "1d" })
        return { status = 201, json = { kept = true } }
      end,
    },
    {
      path = "/{key}/letters",
      summary = "A note, letter by letter",
      handler = function(req)
        local note = ccproxy.kv.get(req.params.key) or ""
        return {
          sse = function(stream)
            for letter in string.gmatch(note, ".") do
              stream:send { event = "letter", data = letter }
            end
          end,
        }
      end,
    },
  },
}

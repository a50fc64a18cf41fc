---@meta ccproxy.http

--- Requests to hosts that the manifest names: the capability `http:api.example.com`, with `:port` where it
--- is not the usual one, `http:*.example.com`, or `http:*` for every public host. Private addresses only
--- when the manifest names the very address. Redirects are followed within one origin.
---@class ccproxy.http
ccproxy.http = {}

---@class ccproxy.http.Options
---@field headers? table<string, string|number>
---@field timeout? ccproxy.Duration For everything, 10 minutes at most and 10 seconds when absent; the handler that waits has limits of its own.
---@field max_bytes? integer Of the answer's body; 1 MiB when absent.

---@class ccproxy.http.BodyOptions: ccproxy.http.Options
---@field body? string
---@field json? any Plain data, instead of `body`.

---@class ccproxy.http.Request: ccproxy.http.BodyOptions
---@field url string
---@field method? string `GET` when absent.

---@class ccproxy.http.Answer
---@field status integer
---@field headers table<string, string> Names in lower case; repeated fields joined by commas.
---@field body string
---@field json fun(self?: ccproxy.http.Answer): any, ccproxy.Error?

--- Asks, and waits for the whole answer.
--- ```lua
--- local answer, err = ccproxy.http.request({ method = "PUT", url = "https://api.example.com/echo", json = { on = true }, timeout = "3s" })
--- if not answer then
---   ccproxy.log.warn("no answer", { why = err.message })
--- end
--- ```
---@param request ccproxy.http.Request
---@return ccproxy.http.Answer? answer
---@return ccproxy.Error? err Of type `denied`, `timeout`, `too_large` or `connection`.
function ccproxy.http.request(request) end

--- Asks with `GET`.
--- ```lua
--- local answer, err = ccproxy.http.get("https://api.example.com/json", { timeout = "2s" })
--- if answer and answer.status == 200 then
---   local data = answer:json()
---   ccproxy.log.info("prices", { data = data })
--- end
--- ```
---@param url string
---@param options? ccproxy.http.Options
---@return ccproxy.http.Answer? answer
---@return ccproxy.Error? err
function ccproxy.http.get(url, options) end

--- Asks with `POST`.
--- ```lua
--- local answer, err = ccproxy.http.post("https://api.example.com/echo", { json = { text = "an exchange failed" } })
--- if not answer then
---   ccproxy.log.warn("the hook was not told", { why = err.message })
--- end
--- ```
---@param url string
---@param options? ccproxy.http.BodyOptions
---@return ccproxy.http.Answer? answer
---@return ccproxy.Error? err
function ccproxy.http.post(url, options) end

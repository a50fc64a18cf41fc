---@meta ccproxy.kv

--- What the plugin keeps between exchanges and over reloads, apart from every other plugin. Bounded: a
--- full space gives `nil, err`. In memory: after a restart of the proxy it is empty, so what must last
--- stands in a file, too. Needs the capability `kv`.
---@class ccproxy.kv
ccproxy.kv = {}

---@class (exact) ccproxy.kv.Options
---@field ttl? ccproxy.Duration When the key expires; never when absent.

--- The value of a key.
--- ```lua
--- ccproxy.kv.set("greeting", "hello")
--- ccproxy.kv.get("greeting") -- => "hello"
--- ccproxy.kv.get("nothing") -- => nil
--- ```
---@param key string
---@return any value Nil when it is not there.
function ccproxy.kv.get(key) end

--- Sets a key, whatever was there.
--- ```lua
--- ccproxy.kv.set("session", { user = "alice" }, { ttl = "30m" }) -- => true
--- ```
---@param key string
---@param value ccproxy.Plain
---@param options? ccproxy.kv.Options
---@return boolean? done
---@return ccproxy.Error? err
function ccproxy.kv.set(key, value, options) end

--- Sets a key that is not there. False when it is.
--- ```lua
--- ccproxy.kv.add("lock", 1, { ttl = 10 }) -- => true
--- ccproxy.kv.add("lock", 1, { ttl = 10 }) -- => false
--- ```
---@param key string
---@param value ccproxy.Plain
---@param options? ccproxy.kv.Options
---@return boolean? done
---@return ccproxy.Error? err
function ccproxy.kv.add(key, value, options) end

--- Removes a key. Says whether it was there.
--- ```lua
--- ccproxy.kv.delete("session") -- => false
--- ```
---@param key string
---@return boolean
function ccproxy.kv.delete(key) end

--- Adds to a counter, exactly, and returns the sum. The `ttl` is used by the first count only, so that a
--- window runs from there.
--- ```lua
--- local used = ccproxy.kv.incr("hits:alice", 1, { ttl = "1m" })
--- used -- => 1
--- ```
---@param key string
---@param by? integer 1 when absent.
---@param options? ccproxy.kv.Options
---@return integer sum Text beyond 2^53; nil with an error when it cannot be counted.
---@return ccproxy.Error? err
function ccproxy.kv.incr(key, by, options) end

--- Sets a key whose value is `expected` (nil: not there). Says whether it was.
--- ```lua
--- ccproxy.kv.cas("state", nil, "open") -- => true
--- ccproxy.kv.cas("state", "open", "closed") -- => true
--- ccproxy.kv.cas("state", "open", "closed") -- => false
--- ```
---@param key string
---@param expected any
---@param value ccproxy.Plain
---@param options? ccproxy.kv.Options
---@return boolean? done
---@return ccproxy.Error? err
function ccproxy.kv.cas(key, expected, value, options) end

--- Changes a value by a function, which may be called again when others change it meanwhile and cannot
--- wait. When it returns nil nothing is written.
--- ```lua
--- local last = ccproxy.kv.update("recent", function(old)
---   local list = old or {}
---   table.insert(list, "m1")
---   return list
--- end, { ttl = "1h" })
--- last -- => { "m1" }
--- ```
---@param key string
---@param change fun(old: any): any
---@param options? ccproxy.kv.Options
---@return any value What was written.
---@return ccproxy.Error? err
function ccproxy.kv.update(key, change, options) end

--- Sets when a key expires; nil: never. Says whether the key is there.
--- ```lua
--- ccproxy.kv.set("draft", "text")
--- ccproxy.kv.expire("draft", "10m") -- => true
--- ```
---@param key string
---@param ttl? ccproxy.Duration
---@return boolean
function ccproxy.kv.expire(key, ttl) end

--- Seconds a key still lives: nil when it is not there, `math.huge` when it never expires.
--- ```lua
--- ccproxy.kv.set("forever", 1)
--- ccproxy.kv.ttl("forever") -- => math.huge
--- ```
---@param key string
---@return number?
function ccproxy.kv.ttl(key) end

--- The keys that begin with `prefix`, sorted.
--- ```lua
--- ccproxy.kv.set("team:blue", 1)
--- ccproxy.kv.set("team:green", 2)
--- ccproxy.kv.keys("team:", { limit = 10 }) -- => { "team:blue", "team:green" }
--- ```
---@param prefix? string
---@param options? { limit?: integer } 1000 when absent.
---@return string[]
function ccproxy.kv.keys(prefix, options) end

---@meta ccproxy.crypto

--- Digests, random bytes and their spellings.
---@class ccproxy.crypto
ccproxy.crypto = {}

---@alias ccproxy.Spelling "hex"|"base64"|"base64url"|"raw"

--- The SHA-256 digest of bytes.
--- ```lua
--- ccproxy.crypto.sha256("hello") -- => "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
--- ccproxy.crypto.sha256("hello", "base64url") -- => "LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"
--- ```
---@param data string
---@param spelling? ccproxy.Spelling `"hex"` when absent.
---@return string
function ccproxy.crypto.sha256(data, spelling) end

--- The HMAC-SHA-256 of bytes under a key.
--- ```lua
--- ccproxy.crypto.hmac_sha256("key", "hello") -- => "9307b3b915efb5171ff14d8cb55fbcc798c6c0ef1456d66ded1a6aa723a58b7b"
--- ```
---@param key string
---@param data string
---@param spelling? ccproxy.Spelling `"hex"` when absent.
---@return string
function ccproxy.crypto.hmac_sha256(key, data, spelling) end

--- Bytes that nobody can guess.
--- ```lua
--- #ccproxy.crypto.random_bytes(16) -- => 16
--- ```
---@param count integer At most 65536.
---@return string
function ccproxy.crypto.random_bytes(count) end

--- A random UUID, version 4.
--- ```lua
--- #ccproxy.crypto.uuid() -- => 36
--- ```
---@return string
function ccproxy.crypto.uuid() end

--- Whether two texts are equal, in a time that does not tell where they differ.
--- ```lua
--- ccproxy.crypto.equal("secret", "secret") -- => true
--- ```
---@param one string
---@param two string
---@return boolean
function ccproxy.crypto.equal(one, two) end

--- Bytes as base64, padded.
--- ```lua
--- ccproxy.crypto.base64_encode("hello") -- => "aGVsbG8="
--- ```
---@param bytes string
---@return string
function ccproxy.crypto.base64_encode(bytes) end

--- Bytes from base64.
--- ```lua
--- ccproxy.crypto.base64_decode("aGVsbG8=") -- => "hello"
--- ```
---@param text string With or without padding.
---@return string? bytes
---@return ccproxy.Error? err
function ccproxy.crypto.base64_decode(text) end

--- Bytes as base64 for URLs, without padding.
--- ```lua
--- ccproxy.crypto.base64url_encode("\255\254") -- => "__4"
--- ```
---@param bytes string
---@return string
function ccproxy.crypto.base64url_encode(bytes) end

--- Bytes from base64 for URLs.
--- ```lua
--- ccproxy.crypto.base64url_decode("__4") -- => "\255\254"
--- ```
---@param text string With or without padding.
---@return string? bytes
---@return ccproxy.Error? err
function ccproxy.crypto.base64url_decode(text) end

--- Bytes as hexadecimal digits.
--- ```lua
--- ccproxy.crypto.hex_encode("hi") -- => "6869"
--- ```
---@param bytes string
---@return string
function ccproxy.crypto.hex_encode(bytes) end

--- Bytes from hexadecimal digits.
--- ```lua
--- ccproxy.crypto.hex_decode("6869") -- => "hi"
--- local bytes, err = ccproxy.crypto.hex_decode("no")
--- bytes -- => nil
--- ```
---@param text string
---@return string? bytes
---@return ccproxy.Error? err
function ccproxy.crypto.hex_decode(text) end

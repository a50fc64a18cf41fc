local crypto = ccproxy.crypto

equal(crypto.sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
equal(crypto.sha256("abc", "base64"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=")
equal(#crypto.sha256("abc", "raw"), 32)
equal(
  crypto.hmac_sha256("key", "The quick brown fox jumps over the lazy dog"),
  "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
)
equal(crypto.hmac_sha256("key", "x", "base64url"):find("[=+/]"), nil)

equal(crypto.base64_encode("\255\0a"), "/wBh")
equal(crypto.base64_encode("a"), "YQ==")
equal(crypto.base64_decode("YQ"), "a")
equal(crypto.base64url_encode("\255\254\253a"), "__79YQ")
equal(crypto.base64url_decode("__79YQ=="), "\255\254\253a")
equal(crypto.hex_encode("\0\255"), "00ff")
equal(crypto.hex_decode("00FF"), "\0\255")
for _, name in { "base64", "base64url", "hex" } do
  local bytes = crypto.random_bytes(100)
  equal(crypto[name .. "_decode"](crypto[name .. "_encode"](bytes)), bytes)
  local value, err = crypto[name .. "_decode"]("?!")
  equal(value, nil)
  equal(err.type, "crypto")
end
equal(crypto.hex_decode("abc"), nil)

equal(#crypto.random_bytes(0), 0)
assert(crypto.random_bytes(16) ~= crypto.random_bytes(16))
assert(ccproxy.re.is("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", crypto.uuid()))

equal(crypto.equal("a", "a"), true)
equal(crypto.equal("a", "b"), false)
equal(crypto.equal("a", "aa"), false)

raises("expected string, got nil", crypto.sha256)
raises("expected `hex`", crypto.sha256, "a", "md5")
raises("from 0 to 65536 bytes", crypto.random_bytes, -1)
raises("from 0 to 65536 bytes", crypto.random_bytes, 2 ^ 40)
raises("expected whole number", crypto.random_bytes, 1.5)
raises("bad argument #2 to `ccproxy.crypto.hmac_sha256`: expected string, got nil", crypto.hmac_sha256, "key")
raises("expected string, got 1", crypto.hmac_sha256, 1, "x")
raises("bad argument #2 to `ccproxy.crypto.equal`: expected string, got nil", crypto.equal, "a")
for _, name in { "base64", "base64url", "hex" } do
  for _, way in { "_encode", "_decode" } do
    raises(
      "bad argument #1 to `ccproxy.crypto." .. name .. way .. "`: expected string",
      crypto[name .. way],
      {}
    )
    raises("longer than", crypto[name .. way], ("x"):rep(9 * 1024 * 1024))
  end
end

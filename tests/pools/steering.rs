//! A plugin that decides which credential is used, and what it gets to see.

use serde_json::json;

use super::{House, ask, refusal, told};
use crate::support::{self, Config, Proxy, Upstream};

/// `x-credential` of a client says which, `;` between several.
const STEER: &str = r#"return { name = "steer", version = "1.0.0",
  middleware = { { layer = "routing",
    request = function(req)
      local wish = req.headers["x-credential"]
      if wish == "nonsense" then req.credential = 7 end
      if wish == "freest" then
        local least
        for _, one in ipairs(req.credentials) do
          if one.state ~= "cooling" and (not least or one.uses < least.uses) then least = one end
        end
        req.credential = least.name
      elseif wish then
        local names = {}
        for name in string.gmatch(wish, "[^;]+") do names[#names + 1] = name end
        req.credential = #names == 1 and names[1] or names
      end
    end,
    response = function(req, res) res.headers["x-used"] = req.credential or "none" end } },
  routes = { { path = "/see", handler = function(req)
    req.provider = "claude_api"
    return { json = req.credentials or ccproxy.null }
  end } } }"#;

#[test]
fn the_credentials_that_a_plugin_names_are_used_and_no_others() {
    support::run(async {
        let house = House::start().await;
        let proxy = Proxy::start(house.config("failover", "").script("steer", STEER)).await;
        let wish = |name: &str| proxy.client().header("x-credential", name);
        for (name, used) in [("c", "c"), ("b;a", "b"), ("freest", "a"), ("freest", "a")] {
            let answer = ask(&wish(name)).await.expect(200);
            assert_eq!(answer.header("x-used"), used, "{name}: {}", house.asked());
        }
        assert_eq!(ask(&proxy.client()).await.expect(200).header("x-used"), "a");
        // In its order, as far as they can be used; and nobody else pays.
        house.plan("key-b", refusal(403));
        assert_eq!(ask(&wish("b;c")).await.expect(200).header("x-used"), "c");
        house.plan("key-c", refusal(429).header("retry-after", "60"));
        let asked = house.api.requests().len();
        let answer = ask(&wish("c")).await.expect(429);
        assert_eq!((answer.header("x-used"), house.api.requests().len()), ("c", asked + 1));
        let answer = ask(&wish("d")).await.expect(400);
        assert!(told(&answer).contains("the credential `d`"), "{}", told(&answer));
        assert_eq!(house.api.requests().len(), asked + 1, "nothing was sent");
        ask(&wish("nonsense")).await.expect(503);
    });
}

#[test]
fn a_plugin_sees_names_and_never_secrets_and_a_wish_without_a_pool_is_refused() {
    support::run(async {
        let house = House::start().await;
        let proxy = Proxy::start(house.config("round_robin", "").script("steer", STEER)).await;
        ask(&proxy.client()).await.expect(200);
        let seen = proxy.anonymous().get("/steer/see").await.expect(200);
        let text = seen.text();
        assert_eq!(seen.json()[0]["name"], "a", "{text}");
        assert_eq!(
            (&seen.json()[0]["uses"], &seen.json()[1]["state"]),
            (&json!(1), &json!("in_use")),
            "{text}"
        );
        assert!(!text.contains("key-"), "{text}");

        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream).script("steer", STEER)).await;
        let answer = ask(&proxy.client().header("x-credential", "a")).await.expect(400);
        assert!(told(&answer).contains("a plugin wants the credential `a`"), "{}", told(&answer));
        assert_eq!(ask(&proxy.client()).await.expect(200).header("x-used"), "none");
        assert_eq!(upstream.requests().len(), 1);
        assert_eq!(proxy.anonymous().get("/steer/see").await.expect(200).text(), "null");
    });
}

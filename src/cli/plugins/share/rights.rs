//! What a plugin could do to its user, in words that can be compared: what is new in an update is asked about.

use std::collections::BTreeSet;

use ccproxy_core::hooks::Kind;
use ccproxy_core::middleware::BodyAccess;
use ccproxy_core::plugin::Manifest;
use serde_json::json;

/// Every right that a declaration asks for.
pub(crate) fn of(manifest: &Manifest) -> BTreeSet<String> {
    let mut rights: BTreeSet<String> =
        manifest.capabilities.iter().map(|name| format!("capability {name}")).collect();
    let middleware = manifest.middleware.iter().map(|spec| spec.body);
    for body in middleware.chain(manifest.hooks.iter().map(|spec| spec.body)) {
        if body >= BodyAccess::Read {
            rights.insert("read bodies".to_owned());
        }
        if body >= BodyAccess::Write {
            rights.insert("change bodies".to_owned());
        }
    }
    for route in &manifest.routes {
        rights.insert(format!("route {} {}", route.method, route.full_path()));
        if !route.auth {
            rights.insert(format!("route without a client key {} {}", route.method, route.full_path()));
        }
    }
    if manifest.hooks.iter().any(|hook| hook.event == Kind::ProviderRequestPrepared) {
        rights.insert("change what is sent to providers".to_owned());
    }
    rights.extend(manifest.provides.iter().map(|name| format!("service {name}")));
    if let Some(provider) = &manifest.oauth_provider {
        rights.insert(format!("logins of {}", provider.name));
        // Where it sends people and their codes is as much as whose logins they are.
        let places = json!(provider);
        for (key, value) in places["endpoints"].as_object().into_iter().flatten() {
            rights.insert(format!("logins of {}: {key} {value}", provider.name));
        }
    }
    rights
}

#[cfg(test)]
mod tests {
    use super::*;
    use ccproxy_core::plugin::HookSpec;

    #[test]
    fn to_change_is_more_than_to_read() {
        let hook = |body| HookSpec {
            event: Kind::ProviderRequestPrepared,
            name: "provider.request.prepared".to_owned(),
            priority: 500,
            body,
        };
        let rights = |body| {
            let rights = of(&Manifest { hooks: vec![hook(body)], ..Manifest::default() });
            rights.into_iter().collect::<Vec<_>>().join(", ")
        };
        assert_eq!(rights(BodyAccess::None), "change what is sent to providers");
        assert_eq!(rights(BodyAccess::Read), "change what is sent to providers, read bodies");
        assert_eq!(rights(BodyAccess::Write), "change bodies, change what is sent to providers, read bodies");
    }
}

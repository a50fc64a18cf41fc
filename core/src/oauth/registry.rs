//! The OAuth providers that are there.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::{Dialect, Endpoints, Failure, Maker, OAuthProvider, Reason};
use crate::plugin::OAuthProviderSpec;

/// OAuth providers by name: those of the running plugins, and those that were registered and stay.
#[derive(Default)]
pub struct Registry {
    providers: RwLock<Providers>,
    maker: Option<Arc<dyn Maker>>,
}

#[derive(Default)]
struct Providers {
    standing: BTreeMap<String, Arc<dyn OAuthProvider>>,
    plugins: BTreeMap<String, Arc<dyn OAuthProvider>>,
}

impl Registry {
    /// One that can make providers of what plugins declare.
    pub fn with_maker(maker: Arc<dyn Maker>) -> Self {
        Registry { providers: RwLock::default(), maker: Some(maker) }
    }

    /// The provider of a plugin's declaration, which is not yet in the registry: the next generation brings it. A name
    /// that stays is nobody else's, or a plugin would be handed the tokens of another provider.
    pub fn make(
        &self,
        spec: &OAuthProviderSpec,
        settings: &Endpoints,
        dialect: Option<Arc<dyn Dialect>>,
    ) -> Result<Arc<dyn OAuthProvider>, Failure> {
        if self.providers.read().standing.contains_key(&spec.name) {
            let told =
                format!("there is an OAuth provider `{}` already, and no plugin takes its place", spec.name);
            return Err(Failure::new(Reason::Unsupported, told));
        }
        match &self.maker {
            Some(maker) => maker.make(spec, settings, dialect),
            None => Err(Failure::new(Reason::Unsupported, "nothing here speaks to identity providers")),
        }
    }

    /// Adds a provider that stays when plugins change; says whether its name was free. The first of a name keeps it.
    pub fn register(&self, provider: Arc<dyn OAuthProvider>) -> bool {
        let mut providers = self.providers.write();
        let name = provider.provider_name().to_owned();
        let free = !providers.standing.contains_key(&name);
        providers.standing.entry(name).or_insert(provider);
        free
    }

    /// Takes a provider away; says whether it was there. Its stored tokens stay.
    pub fn unregister(&self, name: &str) -> bool {
        let mut providers = self.providers.write();
        let standing = providers.standing.remove(name).is_some();
        providers.plugins.remove(name).is_some() || standing
    }

    /// The provider of a name. A plugin's counts before one that stays.
    pub fn get(&self, name: &str) -> Option<Arc<dyn OAuthProvider>> {
        let providers = self.providers.read();
        providers.plugins.get(name).or_else(|| providers.standing.get(name)).cloned()
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<Arc<dyn OAuthProvider>> {
        let providers = self.providers.read();
        let mut all = providers.standing.clone();
        all.extend(providers.plugins.iter().map(|(name, provider)| (name.clone(), provider.clone())));
        all.into_values().collect()
    }

    /// Puts these in place of those of plugins: what a new generation brings.
    pub(crate) fn follow(&self, providers: Vec<Arc<dyn OAuthProvider>>) {
        let mut next: BTreeMap<String, Arc<dyn OAuthProvider>> = BTreeMap::new();
        for provider in providers {
            let name = provider.provider_name().to_owned();
            let kept = next.entry(name).or_insert_with(|| provider.clone());
            if !Arc::ptr_eq(kept, &provider) {
                let name = provider.provider_name();
                tracing::warn!(oauth_provider = name, "another plugin brings this OAuth provider already");
            }
        }
        self.providers.write().plugins = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::{Attempt, Flows, Storage, Tokens};
    use crate::secret::Secret;
    use crate::step::BoxFuture;

    struct Stub(&'static str);

    fn no<T: Send + 'static>() -> BoxFuture<'static, Result<T, Failure>> {
        Box::pin(std::future::ready(Err(Failure::new(Reason::Unsupported, "no"))))
    }

    impl OAuthProvider for Stub {
        fn provider_name(&self) -> &str {
            self.0
        }
        fn provider_display_name(&self) -> &str {
            self.0
        }
        fn supports_pkce(&self) -> bool {
            false
        }
        fn supports_refresh(&self) -> bool {
            false
        }
        fn flows(&self) -> Flows {
            Flows::default()
        }
        fn authorization_url<'a>(&'a self, _: &'a Attempt) -> BoxFuture<'a, Result<String, Failure>> {
            no()
        }
        fn handle_callback<'a>(
            &'a self,
            _: &'a Secret,
            _: &'a Attempt,
        ) -> BoxFuture<'a, Result<Tokens, Failure>> {
            no()
        }
        fn refresh<'a>(&'a self, _: &'a Tokens) -> BoxFuture<'a, Result<Tokens, Failure>> {
            no()
        }
        fn storage(&self) -> Arc<dyn Storage> {
            Arc::new(Nowhere)
        }
    }

    struct Nowhere;

    impl Storage for Nowhere {
        fn accounts(&self) -> BoxFuture<'_, Result<Vec<String>, Failure>> {
            no()
        }
        fn load<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Tokens>, Failure>> {
            no()
        }
        fn save<'a>(&'a self, _: &'a str, _: Tokens) -> BoxFuture<'a, Result<(), Failure>> {
            no()
        }
        fn delete<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<bool, Failure>> {
            no()
        }
    }

    fn names(registry: &Registry) -> Vec<String> {
        registry.list().iter().map(|provider| provider.provider_name().to_owned()).collect()
    }

    #[test]
    fn providers_come_and_go_and_the_first_of_a_name_stays() {
        let registry = Registry::default();
        assert!(registry.register(Arc::new(Stub("b"))) && registry.register(Arc::new(Stub("a"))));
        assert!(!registry.register(Arc::new(Stub("a"))));
        assert_eq!(names(&registry), ["a", "b"]);
        assert!(registry.get("a").is_some() && registry.get("c").is_none());
        assert!(registry.unregister("a") && !registry.unregister("a"));
        registry.follow(vec![Arc::new(Stub("c")), Arc::new(Stub("c"))]);
        assert_eq!(names(&registry), ["b", "c"], "what was registered stays");
        registry.follow(Vec::new());
        assert_eq!(names(&registry), ["b"]);
    }

    #[test]
    fn a_summary_tells_nothing_secret() {
        let mut tokens = Tokens::new(Secret::new("s3cret-a")).living(std::time::Duration::ZERO);
        tokens.refresh = Some(Secret::new("s3cret-r"));
        let summary = serde_json::Value::Object(crate::oauth::summary_of("a", &tokens));
        assert!(!summary.to_string().contains("s3cret"));
        assert_eq!((&summary["expired"], &summary["has_refresh_token"]), (&true.into(), &true.into()));
    }
}

//! Which proxy, if any, stands between us and an origin.

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use crate::error::{Error, Result};
use crate::provider::Origin;

/// How an origin is reached.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// By itself.
    Direct,
    /// Plain HTTP through an HTTP proxy, which gets the whole address in the request line.
    Forward {
        /// The proxy.
        proxy: Uri,
        /// Its `proxy-authorization`.
        authorization: Option<HeaderValue>,
    },
    /// A `CONNECT` tunnel through an HTTP proxy.
    Tunnel {
        /// The proxy.
        proxy: Uri,
        /// Its `proxy-authorization`.
        authorization: Option<HeaderValue>,
    },
    /// SOCKS version 5; the proxy looks names up when `remote_dns`.
    Socks {
        /// The proxy.
        proxy: Uri,
        /// User and password.
        login: Option<(String, String)>,
        /// `socks5h`: names are looked up by the proxy.
        remote_dns: bool,
    },
}

/// The rules: from the `upstream.proxy` setting, or else from the environment.
#[derive(Debug)]
pub(super) struct Proxies(Matcher);

impl Proxies {
    /// `setting` overrides the environment, `NO_PROXY` included.
    pub(super) fn new(setting: Option<&str>) -> Result<Self> {
        let Some(url) = setting else { return Ok(Proxies(Matcher::from_env())) };
        let matcher = Matcher::builder().all(url.to_owned()).build();
        let probe = matcher.intercept(&Uri::from_static("https://example.com/"));
        match probe.as_ref().map(Intercept::uri).and_then(Uri::scheme_str) {
            Some("http" | "socks5" | "socks5h") => Ok(Proxies(matcher)),
            // The value may hold a password, so it is not repeated.
            _ => Err(Error::internal(
                "`upstream.proxy` is not a usable proxy URL: give `http://host:port`, `socks5://host:port` or `socks5h://host:port`",
            )),
        }
    }

    /// The way to `origin`.
    pub(super) fn way(&self, origin: &Origin) -> Result<Way> {
        let target = Uri::builder()
            .scheme(origin.scheme.clone())
            .authority(origin.authority.clone())
            .path_and_query("/")
            .build()
            .map_err(|error| Error::internal(format!("the upstream address is not a URL: {error}")))?;
        let Some(found) = self.0.intercept(&target) else { return Ok(Way::Direct) };
        let proxy = found.uri().clone();
        match proxy.scheme_str() {
            Some("http") => {
                let authorization = found.basic_auth().cloned();
                Ok(if origin.scheme == http::uri::Scheme::HTTP {
                    Way::Forward { proxy, authorization }
                } else {
                    Way::Tunnel { proxy, authorization }
                })
            }
            Some(scheme @ ("socks5" | "socks5h")) => Ok(Way::Socks {
                remote_dns: scheme == "socks5h",
                login: found.raw_auth().map(|(user, password)| (user.to_owned(), password.to_owned())),
                proxy,
            }),
            other => Err(Error::internal(format!(
                "a proxy with `{}://` cannot be used: set `HTTPS_PROXY` or `upstream.proxy` to an `http://` or `socks5h://` URL",
                other.unwrap_or_default()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(scheme: &str) -> Origin {
        Origin {
            scheme: scheme.parse().expect("a scheme"),
            authority: "api.example.com".parse().expect("an authority"),
        }
    }

    #[test]
    fn the_setting_decides_by_scheme() {
        let proxies = Proxies::new(Some("http://user:pass@127.0.0.1:3128")).expect("a proxy");
        let Ok(Way::Forward { proxy, authorization }) = proxies.way(&origin("http")) else {
            panic!("http is forwarded")
        };
        assert_eq!(proxy, "http://127.0.0.1:3128/");
        assert_eq!(authorization.expect("authorization"), "Basic dXNlcjpwYXNz");
        assert!(matches!(proxies.way(&origin("https")), Ok(Way::Tunnel { .. })));
    }

    #[test]
    fn socks_says_who_looks_names_up() {
        let proxies = Proxies::new(Some("socks5h://127.0.0.1:1080")).expect("a proxy");
        assert!(matches!(proxies.way(&origin("https")), Ok(Way::Socks { remote_dns: true, .. })));
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_said_without_its_password() {
        for url in ["https://u:secret@127.0.0.1:1", "ftp://secret@x", "socks4://secret@x:1", "%%secret"] {
            let error = Proxies::new(Some(url)).expect_err(url).to_string();
            assert!(error.contains("upstream.proxy") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn no_proxy_is_heard() {
        let matcher = Matcher::builder().all("http://127.0.0.1:1").no("example.com,127.0.0.0/8").build();
        let proxies = Proxies(matcher);
        assert!(matches!(proxies.way(&origin("https")), Ok(Way::Direct)));
    }
}

//! Which proxy, if any, stands between us and an origin.

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use super::fault;
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
pub(super) struct Proxies {
    matcher: Matcher,
    /// `NO_PROXY=*`, which the matcher does not apply to addresses.
    none: bool,
}

impl Proxies {
    /// `setting` overrides the environment, `NO_PROXY` included.
    pub(super) fn new(setting: Option<&str>) -> Result<Self> {
        let Some(url) = setting else { return Ok(Self::from_environment()) };
        let matcher = Matcher::builder().all(url.to_owned()).build();
        let probe = matcher.intercept(&Uri::from_static("https://example.com/"));
        match probe.as_ref().map(Intercept::uri).and_then(Uri::scheme_str) {
            Some("http" | "socks5" | "socks5h") => Ok(Proxies { matcher, none: false }),
            // The value may hold a password, so it is not repeated.
            _ => Err(Error::internal(
                "`upstream.proxy` is not a usable proxy URL: give `http://host:port`, `socks5://host:port` or `socks5h://host:port`",
            )),
        }
    }

    fn from_environment() -> Self {
        let except = std::env::var("NO_PROXY").or_else(|_| std::env::var("no_proxy")).unwrap_or_default();
        Proxies { matcher: Matcher::from_env(), none: all(&except) }
    }

    /// The way to `origin`.
    pub(super) fn way(&self, origin: &Origin) -> Result<Way> {
        if self.none {
            return Ok(Way::Direct);
        }
        let target = Uri::builder()
            .scheme(origin.scheme.clone())
            .authority(origin.authority.clone())
            .path_and_query("/")
            .build()
            .map_err(|error| Error::internal(format!("the upstream address is not a URL: {error}")))?;
        let Some(found) = self.matcher.intercept(&target) else { return Ok(Way::Direct) };
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
            other => Err(fault::unusable_proxy(origin, other.unwrap_or_default())),
        }
    }
}

/// Whether a `NO_PROXY` list excepts everything.
fn all(except: &str) -> bool {
    except.split(',').any(|entry| entry.trim() == "*")
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
    fn a_star_excepts_everything() {
        assert!(all("*") && all("a, *") && !all("") && !all("*.example.com"));
        let matcher = Matcher::builder().all("http://127.0.0.1:1").build();
        let way = Proxies { matcher, none: true }.way(&origin("https"));
        assert!(matches!(way, Ok(Way::Direct)));
    }

    #[test]
    fn a_kind_of_proxy_that_cannot_be_used_is_told_to_the_client() {
        let matcher = Matcher::builder().all("https://u:secret@127.0.0.1:1").build();
        let error = Proxies { matcher, none: false }.way(&origin("https")).expect_err("no such proxy");
        assert_eq!(error.status(), 502);
        assert!(error.message().contains("HTTPS_PROXY") && !error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn no_proxy_is_heard() {
        let matcher = Matcher::builder().all("http://127.0.0.1:1").no("example.com,127.0.0.0/8").build();
        let proxies = Proxies { matcher, none: false };
        assert!(matches!(proxies.way(&origin("https")), Ok(Way::Direct)));
    }
}

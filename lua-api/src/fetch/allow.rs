//! The hosts a manifest names, as `http:<host>` or `http:<host>:<port>`.

use std::net::IpAddr;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::is_public;

/// Where a plugin may send requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowed {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    host: Host,
    /// `None`: the usual port of the scheme.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// `*`: every public host.
    Any,
    /// `*.example.com`: every public host below it; kept with its leading dot.
    Below(String),
    Name(String),
    /// An address, which alone makes a private one reachable.
    Address(IpAddr),
}

impl Allowed {
    /// Reads the arguments of the capability `http`. What is not a host allows nothing.
    pub(crate) fn new(arguments: &[String]) -> Self {
        Allowed { rules: arguments.iter().filter_map(|text| rule(text)).collect() }
    }

    /// Checks a URL before anything is looked up. The error tells the script what is wrong.
    pub(crate) fn check(&self, url: &Url) -> Result<(), String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("`{}` is not http or https", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a URL with a user name or password; use a header".to_owned());
        }
        let Some((host, address)) = host_of(url) else { return Err("a URL without a host".to_owned()) };
        let port = url.port_or_known_default();
        let usual = url.port().is_none();
        let named = self.rules.iter().any(|rule| {
            let right_port = if rule.port.is_none() { usual } else { rule.port == port };
            right_port && rule.host.covers(&host, address)
        });
        if named {
            return Ok(());
        }
        let port = if usual { String::new() } else { format!(":{}", port.unwrap_or_default()) };
        Err(format!(
            "`{host}{port}` is not among the plugin's hosts; add `http:{host}{port}` to `capabilities`"
        ))
    }

    /// Whether a name may lead to an address: a public one, one that the manifest names, or for
    /// `localhost` this machine.
    fn admits(&self, name: &str, address: IpAddr) -> bool {
        let named = |host: &Host| self.rules.iter().any(|rule| rule.host == *host);
        is_public(address)
            || named(&Host::Address(address))
            || (name == "localhost" && address.is_loopback() && named(&Host::Name(name.to_owned())))
    }
}

impl Host {
    fn covers(&self, host: &str, address: Option<IpAddr>) -> bool {
        match self {
            Host::Any => address.is_none_or(is_public),
            Host::Below(suffix) => address.is_none() && host.ends_with(suffix.as_str()),
            Host::Name(name) => name == host,
            Host::Address(named) => address == Some(*named),
        }
    }
}

/// Looks a name up when a connection is made, and hands out only admitted addresses: what was checked is
/// what is connected to, so that a name cannot change its mind in between.
impl Resolve for Allowed {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.clone();
        Box::pin(async move {
            let name = name.as_str().trim_end_matches('.').to_ascii_lowercase();
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let admitted: Vec<_> =
                found.into_iter().filter(|found| allowed.admits(&name, found.ip())).collect();
            if admitted.is_empty() {
                return Err(
                    format!("`{name}` leads to a private address, which the manifest does not name").into()
                );
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

/// The host in lower case without a trailing dot, and the address it is. The URL parser has already turned
/// the odd spellings of addresses (decimal, octal, hexadecimal, short) into plain ones.
fn host_of(url: &Url) -> Option<(String, Option<IpAddr>)> {
    let host = url.host_str()?.trim_end_matches('.').to_ascii_lowercase();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    Some((host, address))
}

fn rule(text: &str) -> Option<Rule> {
    let text = text.trim().to_ascii_lowercase();
    let (host, port) = match text.rsplit_once(':') {
        // Colons inside an IPv6 address are not for a port.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port.parse().ok()?)),
        _ => (text.as_str(), None),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let host = match bare.strip_prefix('*') {
        Some("") => Host::Any,
        Some(below) if below.starts_with('.') && below.len() > 1 => Host::Below(below.to_owned()),
        Some(_) => return None,
        None if bare.is_empty() => return None,
        None => match bare.parse() {
            Ok(address) => Host::Address(address),
            Err(_) => Host::Name(bare.trim_end_matches('.').to_owned()),
        },
    };
    Some(Rule { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rules: &[&str], url: &str) -> bool {
        let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        Allowed::new(&rules).check(&url.parse().expect("a URL")).is_ok()
    }

    #[test]
    fn hosts_and_ports_are_exact() {
        let rules = ["api.example.com", "Other.example:8443", "*.sub.example", "10.0.0.5:80", "[::1]:9000"];
        for url in [
            "https://api.example.com/x?y",
            "http://API.example.com./",
            "https://other.example:8443/",
            "https://a.b.sub.example/",
            "http://10.0.0.5/",
            "http://[::1]:9000/",
            "http://0xa.0.0.5/",
        ] {
            assert!(allows(&rules, url), "{url}");
        }
        for url in [
            "https://api.example.com:8443/",
            "https://other.example/",
            "https://sub.example/",
            "https://evilsub.example/",
            "https://api.example.com.evil/",
            "https://api.example.com@evil/",
            "https://user@api.example.com/",
            "ftp://api.example.com/",
            "http://10.0.0.5:81/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.5]/",
            "http://127.0.0.1/",
        ] {
            assert!(!allows(&rules, url), "{url}");
        }
        assert!(allows(&["*"], "https://anything.example/") && allows(&["*"], "http://1.1.1.1/"));
        for url in ["http://127.0.0.1/", "http://2130706433/", "http://0177.1/", "http://169.254.169.254/"] {
            assert!(!allows(&["*"], url), "{url}");
        }
        assert!(!allows(&["*example.com", "", ":", "a:b"], "https://example.com/"));
    }

    #[test]
    fn a_name_leads_only_to_public_or_named_addresses() {
        let rules =
            |list: &[&str]| Allowed::new(&list.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>());
        let inside: IpAddr = "10.0.0.5".parse().expect("an address");
        let this: IpAddr = "127.0.0.1".parse().expect("an address");
        assert!(!rules(&["intranet.example"]).admits("intranet.example", inside));
        assert!(rules(&["intranet.example", "10.0.0.5"]).admits("intranet.example", inside));
        assert!(rules(&["localhost:9000"]).admits("localhost", this));
        assert!(!rules(&["localhost:9000"]).admits("evil.example", this));
        assert!(!rules(&["*"]).admits("localhost", this));
    }
}

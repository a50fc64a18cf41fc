//! The `host` of a request (RFC 9110 section 7.2): what it says, and whether we are that host.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A host as a request names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Host<'a> {
    /// Name or address, without brackets.
    pub(super) name: Name<'a>,
    pub(super) port: Option<u16>,
}

/// A host without its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name<'a> {
    Address(IpAddr),
    Name(&'a str),
}

impl<'a> Host<'a> {
    /// Reads `name[:port]`. Strict: no userinfo, list, path, empty part or unusual character.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']')?;
                let address: Ipv6Addr = address.parse().ok()?;
                let port = if port.is_empty() { None } else { Some(port.strip_prefix(':')?) };
                (Name::Address(address.into()), port)
            }
            None => {
                let (name, port) = match text.split_once(':') {
                    Some((name, port)) => (name, Some(port)),
                    None => (text, None),
                };
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
                if name.is_empty() || !name.bytes().all(plain) {
                    return None;
                }
                let address = name.parse().ok().map(|address| Name::Address(IpAddr::V4(address)));
                (address.unwrap_or(Name::Name(name)), port)
            }
        };
        let port = match port {
            None => None,
            Some(port) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(port.parse().ok()?)
            }
            Some(_) => return None,
        };
        Some(Host { name, port })
    }
}

/// The hosts that we are.
#[derive(Debug)]
pub(super) struct Hosts {
    /// Loopback names with our ports, spelled as clients do: most requests need no more than a comparison.
    usual: Vec<Box<str>>,
    ports: Vec<u16>,
    /// Addresses that are listened on.
    addresses: Vec<IpAddr>,
    /// Every address is listened on. A page cannot make a browser send an address it was not loaded from,
    /// so any address is as good as ours; only names can be rebound.
    any_address: bool,
    /// From the settings; any port.
    names: Vec<String>,
}

impl Hosts {
    pub(super) fn new(listen: &[SocketAddr], names: &[String]) -> Self {
        let ports: Vec<u16> = listen.iter().map(SocketAddr::port).collect();
        let usual = ports
            .iter()
            .flat_map(|port| ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}").into()))
            .collect();
        Hosts {
            usual,
            ports,
            addresses: listen.iter().map(|address| address.ip().to_canonical()).collect(),
            any_address: listen.iter().any(|address| address.ip().is_unspecified()),
            names: names.iter().map(|name| name.trim_matches(['[', ']']).to_ascii_lowercase()).collect(),
        }
    }

    /// Whether this is one of the usual spellings, which need no parsing.
    pub(super) fn is_usual(&self, host: &[u8]) -> bool {
        self.usual.iter().any(|usual| usual.as_bytes() == host)
    }

    /// Whether we are this host.
    pub(super) fn contains(&self, host: Host<'_>) -> bool {
        let ours = host.port.is_none_or(|port| self.ports.contains(&port));
        match host.name {
            Name::Name(name) => {
                ours && name.eq_ignore_ascii_case("localhost")
                    || self.names.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
            }
            Name::Address(address) => {
                let address = address.to_canonical();
                ours && (address.is_loopback() || self.any_address || self.addresses.contains(&address))
                    || self.names.iter().any(|allowed| allowed.parse() == Ok(address))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hosts() -> Hosts {
        Hosts::new(&["127.0.0.1:8000".parse().expect("an address")], &["Proxy.Example.com".to_owned()])
    }

    #[test]
    fn we_are_loopback_with_our_port_and_what_the_settings_name() {
        let hosts = hosts();
        for good in [
            "127.0.0.1:8000",
            "127.0.0.1",
            "localhost:8000",
            "LocalHost",
            "[::1]:8000",
            "[::1]",
            "127.0.0.2:8000",
            "[::ffff:127.0.0.1]:8000",
            "proxy.example.com",
            "PROXY.example.com:443",
        ] {
            assert!(hosts.contains(Host::parse(good.as_bytes()).expect(good)), "{good}");
        }
        for foreign in [
            "localhost:8001",
            "127.0.0.1:80",
            "evil.com",
            "localhost.evil.com",
            "evil.com:8000",
            "10.0.0.1:8000",
            "127.0.0.1.nip.io:8000",
            "localhost.:8000",
            "0.0.0.0:8000",
            "2130706433",
            "0x7f.1",
            "[::2]:8000",
            "xproxy.example.com",
        ] {
            assert!(!hosts.contains(Host::parse(foreign.as_bytes()).expect(foreign)), "{foreign}");
        }
        for malformed in [
            "",
            ":8000",
            "localhost:",
            "localhost:x",
            "localhost:+8000",
            "localhost:99999",
            "user@localhost",
            "localhost/path",
            "localhost, evil.com",
            "a b",
            "[::1",
            "::1",
            "[::1]8000",
            "[127.0.0.1]",
            "localhost:80:80",
            "loc\u{e4}lhost",
            "localhost\\@evil.com",
            "localhost#x",
            "localhost?x",
            "%6cocalhost",
        ] {
            assert_eq!(Host::parse(malformed.as_bytes()), None, "{malformed}");
        }
    }

    #[test]
    fn every_address_is_ours_only_when_all_are_listened_on() {
        let any = Hosts::new(&["0.0.0.0:80".parse().expect("an address")], &[]);
        assert!(any.contains(Host::parse(b"192.168.1.5:80").expect("a host")));
        assert!(!any.contains(Host::parse(b"evil.com:80").expect("a host")));
        let one = Hosts::new(&["192.168.1.5:80".parse().expect("an address")], &[]);
        assert!(one.contains(Host::parse(b"192.168.1.5").expect("a host")));
        assert!(!one.contains(Host::parse(b"192.168.1.6").expect("a host")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
            if let Some(host) = Host::parse(&bytes) {
                let text = std::str::from_utf8(&bytes).expect("parsed hosts are text");
                prop_assert!(!text.contains(['@', '/', ',', ' ', '\\', '#', '?', '\r', '\n', '\0']));
                if hosts().contains(host) {
                    let lower = text.to_ascii_lowercase();
                    prop_assert!(lower.contains("127.") || lower.contains("localhost") || lower.contains("::")
                        || lower.contains("0:0") || lower.contains("proxy.example.com"));
                }
            }
        }

        #[test]
        fn what_is_usual_is_also_ours(port: u16) {
            let hosts = Hosts::new(&[SocketAddr::from(([127, 0, 0, 1], port))], &[]);
            for usual in &hosts.usual {
                prop_assert!(hosts.contains(Host::parse(usual.as_bytes()).expect("a host")));
            }
        }
    }
}

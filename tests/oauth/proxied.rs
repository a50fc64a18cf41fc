//! Requests for tokens through the proxy that the settings name.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{logins, tokens};
use crate::support::idp::{Idp, pairs};
use crate::support::proxy::{cli_in, home};
use crate::support::upstream::Recorded;
use crate::support::{self, Config, Reply, Upstream};

/// A SOCKS 5 proxy that asks for `user` and `pa55word`; counts those that it let through.
async fn socks() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let counted = Arc::<AtomicUsize>::default();
    let counting = counted.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let counted = counting.clone();
            tokio::spawn(async move {
                if let Some((mut client, mut server)) = let_through(socket).await {
                    counted.fetch_add(1, Ordering::SeqCst);
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    (address, counted)
}

/// RFC 1928 and RFC 1929, as far as a client of ours goes.
async fn let_through(mut socket: TcpStream) -> Option<(TcpStream, TcpStream)> {
    let mut head = [0; 2];
    socket.read_exact(&mut head).await.ok()?;
    let mut methods = vec![0; head[1].into()];
    socket.read_exact(&mut methods).await.ok()?;
    if !methods.contains(&2) {
        socket.write_all(&[5, 0xff]).await.ok()?;
        return None;
    }
    socket.write_all(&[5, 2]).await.ok()?;
    let text = async |socket: &mut TcpStream| {
        let mut text = vec![0; socket.read_u8().await.ok()?.into()];
        socket.read_exact(&mut text).await.ok()?;
        String::from_utf8(text).ok()
    };
    socket.read_u8().await.ok()?;
    let good =
        (text(&mut socket).await?, text(&mut socket).await?) == ("user".to_owned(), "pa55word".to_owned());
    socket.write_all(&[1, u8::from(!good)]).await.ok()?;
    if !good {
        return None;
    }
    let mut request = [0; 4];
    socket.read_exact(&mut request).await.ok()?;
    let host = match request[3] {
        1 => {
            let mut octets = [0; 4];
            socket.read_exact(&mut octets).await.ok()?;
            std::net::Ipv4Addr::from(octets).to_string()
        }
        3 => text(&mut socket).await?,
        _ => return None,
    };
    let port = socket.read_u16().await.ok()?;
    let server = TcpStream::connect((host.as_str(), port)).await.ok()?;
    socket.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
    Some((socket, server))
}

#[test]
fn tokens_are_asked_for_through_the_proxy_of_the_settings() {
    support::run(async {
        let idp = Idp::start().await;
        let (socks, through) = socks().await;
        // One that answers in the identity provider's place: what it is asked says where to.
        let http = Upstream::with(|request: &Recorded| {
            assert!(request.target().starts_with("http://127.0.0.1:") && request.header("proxy-authorization").is_some(), "{}", request.target());
            let refresh = pairs(&String::from_utf8_lossy(&request.body))["refresh_token"].clone();
            Reply::json(200, &json!({ "access_token": "through-the-proxy", "refresh_token": refresh, "expires_in": 3600, "token_type": "Bearer" }))
        })
        .await;
        let refused = Upstream::refused().await;
        let refused = refused.trim_start_matches("http://");
        let socks5 = format!("socks5://user:pa55word@{socks}");
        let socks5h = format!("socks5h://user:pa55word@{socks}");
        let rows: [(&str, &str, String, bool, &str); 7] = [
            ("setting", "socks5", socks5.clone(), true, "fresh tokens"),
            ("setting", "socks5h", socks5h, true, "fresh tokens"),
            ("ALL_PROXY", "socks5 of the environment", socks5, true, "fresh tokens"),
            ("setting", "http", http.url().replace("//", "//user:pa55word@"), true, "fresh tokens"),
            (
                "HTTP_PROXY",
                "http of the environment",
                http.url().replace("//", "//user:pa55word@"),
                true,
                "fresh tokens",
            ),
            (
                "setting",
                "socks5 that is not there",
                format!("socks5://user:pa55word@{refused}"),
                false,
                "cannot be reached",
            ),
            (
                "setting",
                "http that is not there",
                format!("http://user:pa55word@{refused}"),
                false,
                "cannot be reached",
            ),
        ];
        for (place, what, url, works, said) in rows {
            let folder = tempfile::tempdir().unwrap();
            let config = Config::new()
                .toml(&format!("data_dir = {:?}", folder.path().display().to_string()))
                .toml("credentials.seal = \"off\"");
            let config = idp.toml("acme").iter().fold(config, |config, line| config.toml(line));
            let config = match place {
                "setting" => config.toml(&format!("upstream.proxy = \"{url}\"")),
                variable => config.env(variable, &url),
            };
            let stored = logins("acme", &idp.settings(), folder.path());
            stored.login("acme", "default").unwrap().store(tokens(idp.log_in())).await.unwrap();
            let (before, proxied) = (idp.refreshes(), through.load(Ordering::SeqCst));
            let home = home(&config);
            let (code, out, err) = cli_in(home.path(), &config, &["auth", "refresh", "acme"]).await;
            assert!((code == 0) == works && format!("{out}{err}").contains(said), "{what}: {out}{err}");
            assert!(!format!("{out}{err}").contains("pa55word"), "{what}: {out}{err}");
            let socks = usize::from(what.starts_with("socks5") && works);
            assert_eq!(through.load(Ordering::SeqCst) - proxied, socks, "{what}");
            assert_eq!(idp.refreshes() - before, socks as u64, "{what}");
        }
        assert_eq!(http.requests().len(), 2);
    });
}

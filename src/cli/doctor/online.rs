//! Whether the providers can be reached from here, with the proxy and authorities of `[upstream]`.

use std::time::Duration;

use reqwest::{Certificate, Client, Proxy};

use super::{Finding, Level};
use crate::cli::Failure;
use crate::cli::context::block_on;
use crate::cli::plugins::declared;
use crate::config::Loaded;
use ccproxy_core::config::{FieldKind, without_password};

/// One request to the address of each provider, without any credential.
pub(crate) fn providers(loaded: &Loaded) -> Result<Vec<Finding>, Failure> {
    let client = client(loaded)?;
    let (plugins, _) = declared(loaded);
    let mut findings = Vec::new();
    for plugin in plugins.iter().filter(|plugin| plugin.state == "enabled") {
        let Some(manifest) = plugin.factory.as_ref().map(|factory| factory.manifest()) else { continue };
        let (value, _) = loaded.settings.core.plugins.configure(&manifest.name, &manifest.config);
        let urls = manifest.config.leaves().into_iter().filter(|(_, field)| field.kind == FieldKind::Url);
        for (key, _) in urls {
            let url =
                key.split('.').try_fold(&value, |value, key| value.get(key)).and_then(|url| url.as_str());
            if let Some(url) = url {
                findings.push(block_on(async { Ok(reach(&client, &manifest.name, url).await) })?);
            }
        }
    }
    Ok(findings)
}

async fn reach(client: &Client, plugin: &str, url: &str) -> Finding {
    let shown = without_password(url);
    match client.get(url).send().await {
        Ok(answer) => {
            Finding::new(Level::Ok, "upstream", format!("`{plugin}`: {shown} answers ({})", answer.status()))
        }
        Err(error) => {
            let mut cause: &dyn std::error::Error = &error;
            while let Some(source) = cause.source() {
                cause = source;
            }
            Finding::new(Level::Fail, "upstream", format!("`{plugin}`: {shown} cannot be reached: {cause}"))
                .remedy("check the network, `upstream.proxy`, `upstream.ca_file` and the plugin's URL")
        }
    }
}

fn client(loaded: &Loaded) -> Result<Client, Failure> {
    let upstream = &loaded.settings.core.upstream;
    let wrong = |error: String| Failure::new(format!("cannot make a client: {error}"));
    // Another provider may be installed already; either will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = Client::builder()
        .connect_timeout(upstream.connect_timeout)
        .timeout(Duration::from_secs(15))
        .redirect(reqwest::redirect::Policy::none());
    if let Some(proxy) = &upstream.proxy {
        client = client.proxy(Proxy::all(proxy).map_err(|error| wrong(error.to_string()))?);
    }
    if let Some(path) = &upstream.ca_file {
        let pem = std::fs::read(path).map_err(|error| wrong(format!("`{}`: {error}", path.display())))?;
        for certificate in Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))? {
            client = client.add_root_certificate(certificate);
        }
    }
    client.build().map_err(|error| wrong(error.to_string()))
}

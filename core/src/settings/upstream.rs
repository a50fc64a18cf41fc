//! `[upstream]`: requests to providers.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::section::Section;
use super::server::clock;
use crate::config::{Field, Schema};

/// Requests to providers: four clocks, connections, trust.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// First clock: TCP and TLS.
    pub connect_timeout: Duration,
    /// Second: from sending to the response head.
    pub head_timeout: Duration,
    /// Third: from the head to the first data.
    pub first_data_timeout: Duration,
    /// Fourth: between data; pings and comments do not count as data.
    pub data_idle_timeout: Duration,
    /// How long an idle connection is kept.
    pub pool_idle_timeout: Duration,
    /// Most idle connections to one origin.
    pub pool_max_idle: usize,
    /// PEM file with extra trusted authorities.
    pub ca_file: Option<PathBuf>,
    /// Proxy URL for every request; `None`: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` decide.
    pub proxy: Option<String>,
    /// Most bytes of a body that is not a stream, when something reads it whole.
    pub max_answer: usize,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        UpstreamSettings {
            connect_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(600),
            first_data_timeout: Duration::from_secs(300),
            data_idle_timeout: Duration::from_secs(120),
            pool_idle_timeout: Duration::from_secs(55),
            pool_max_idle: 256,
            ca_file: None,
            proxy: None,
            max_answer: 64 << 20,
        }
    }
}

impl UpstreamSettings {
    /// What may be written under `[upstream]`.
    pub fn schema() -> Schema {
        let d = UpstreamSettings::default();
        Schema::of([
            clock("connect_timeout", "First clock: TCP and TLS.", d.connect_timeout),
            clock("head_timeout", "Second clock: from sending to the head of the answer.", d.head_timeout),
            clock(
                "first_data_timeout",
                "Third clock: from the head to the first data.",
                d.first_data_timeout,
            ),
            clock(
                "data_idle_timeout",
                "Fourth clock: between data; pings do not count as data.",
                d.data_idle_timeout,
            ),
            clock("pool_idle_timeout", "How long an idle connection is kept.", d.pool_idle_timeout),
            Field::integer("pool_max_idle", "Most idle connections to one origin.")
                .between(0, 100_000)
                .or(d.pool_max_idle),
            Field::path("ca_file", "PEM file with authorities that are trusted beside those of the system."),
            Field::proxy_url(
                "proxy",
                "Proxy for every request: http, socks5 or socks5h. Without it HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY decide.",
            ),
            Field::size("max_answer", "Largest answer that is read whole; streams have no such limit.")
                .between(1u64 << 10, 4u64 << 30)
                .or(d.max_answer),
        ])
    }

    /// The settings in a validated table.
    pub(super) fn read(table: &Value) -> Self {
        let section = Section(table);
        UpstreamSettings {
            connect_timeout: section.duration("connect_timeout"),
            head_timeout: section.duration("head_timeout"),
            first_data_timeout: section.duration("first_data_timeout"),
            data_idle_timeout: section.duration("data_idle_timeout"),
            pool_idle_timeout: section.duration("pool_idle_timeout"),
            pool_max_idle: section.count("pool_max_idle"),
            ca_file: section.path("ca_file"),
            proxy: section.text("proxy"),
            max_answer: section.count("max_answer"),
        }
    }
}

//! The plugin contract, in three layers: declaration ([`Manifest`]), factory ([`PluginFactory`]),
//! runtime ([`PluginRuntime`]). Rust provider plugins and Lua system plugins meet it alike.

mod context;
mod factory;
mod health;
mod manifest;
mod runtime;
mod services;

pub use context::PluginContext;
pub use factory::PluginFactory;
pub use health::{Health, HealthStatus};
pub use manifest::{
    AuthCommandSpec, CommandSpec, HookSpec, Manifest, MiddlewareSpec, OAuthProviderSpec, PluginKind,
    RouteSpec, RouteTarget, Source, TaskSpec,
};
pub use runtime::{Command, PluginRuntime, RouteHandler, Task};
pub use services::{Service, Services};

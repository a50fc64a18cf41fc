//! Whether a tool may run. The plugin that provides the service `permissions` decides when there is one, the
//! operator's settings otherwise. Whatever fails on the way means no.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::plugin::Services;
use crate::step::BoxFuture;

/// The name of the service that decides.
pub const SERVICE: &str = "permissions";
/// Its function. It takes one [`Ask`] and gives `{decision = "allow" | "deny", input?, message?}`.
pub const FUNCTION: &str = "check";

/// A call of a tool that waits for a decision.
#[derive(Clone, Debug, Serialize)]
pub struct Ask {
    /// The tool's name.
    pub tool: String,
    /// Its arguments.
    pub input: Value,
    /// The conversation it belongs to.
    pub session: String,
    /// Whose request led to it.
    pub client: String,
    /// Where that request was sent: `/claude/sdk/v1/messages`.
    pub path: String,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It runs, with other arguments where there are some.
    Allow {
        /// Instead of the arguments that were asked for.
        input: Option<Value>,
    },
    /// It does not run.
    Deny {
        /// What the model is told.
        message: String,
    },
}

impl Decision {
    /// No, with a reason.
    pub fn deny(message: impl Into<String>) -> Self {
        Decision::Deny { message: message.into() }
    }

    /// As the service spells it. Anything else is a no.
    fn read(answer: &Value) -> Self {
        let message = answer["message"].as_str().unwrap_or("the operator's rules do not allow it");
        match answer["decision"].as_str() {
            Some("allow") => {
                Decision::Allow { input: answer.get("input").filter(|new| new.is_object()).cloned() }
            }
            _ => Decision::deny(message),
        }
    }
}

/// Decides.
pub trait Approval: Send + Sync + 'static {
    /// Whether this call may run.
    fn check<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Decision>;
}

/// Asks the service when it is there, and the settings when it is not.
pub struct Approver {
    services: Arc<Services>,
    settings: Arc<dyn Approval>,
    limit: Duration,
}

impl Approver {
    /// `limit` is how long the service may take, a person's thinking included.
    pub fn new(services: Arc<Services>, settings: Arc<dyn Approval>, limit: Duration) -> Self {
        Approver { services, settings, limit }
    }
}

impl Approval for Approver {
    fn check<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Decision> {
        Box::pin(async move {
            if !self.services.has(SERVICE) {
                return self.settings.check(ask).await;
            }
            let call = self.services.call(SERVICE, FUNCTION, vec![json!(ask)]);
            match tokio::time::timeout(self.limit, call).await {
                Ok(Ok(answer)) => Decision::read(&answer),
                Ok(Err(error)) => {
                    tracing::warn!(tool = ask.tool, %error, "nobody could decide about a tool: it is denied");
                    Decision::deny("the decision failed, so the tool may not run")
                }
                Err(_) => Decision::deny("nobody decided in time, so the tool may not run"),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Result};
    use crate::plugin::Service;

    struct Never;

    impl Approval for Never {
        fn check<'a>(&'a self, _ask: &'a Ask) -> BoxFuture<'a, Decision> {
            Box::pin(async { Decision::deny("settings") })
        }
    }

    /// Answers with its argument's `input.answer`; without one it fails, or never comes back.
    struct Echo;

    impl Service for Echo {
        fn call<'a>(&'a self, function: &'a str, args: Vec<Value>) -> BoxFuture<'a, Result<Value>> {
            Box::pin(async move {
                assert_eq!(function, "check");
                assert_eq!((&args[0]["tool"], &args[0]["client"]), (&json!("Bash"), &json!("me")));
                assert_eq!(args[0]["path"], "/v1/messages");
                match &args[0]["input"]["answer"] {
                    Value::Null => Err(Error::plugin("permissions", "broken")),
                    Value::Bool(_) => std::future::pending().await,
                    answer => Ok(answer.clone()),
                }
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_service_decides_and_whatever_fails_is_a_no() {
        let services = Arc::new(Services::default());
        let approver = Approver::new(services.clone(), Arc::new(Never), Duration::from_secs(5));
        let ask = |input: Value| Ask {
            tool: "Bash".into(),
            input,
            session: "s".into(),
            client: "me".into(),
            path: "/v1/messages".into(),
        };
        assert_eq!(approver.check(&ask(json!({}))).await, Decision::deny("settings"));
        services.provide(SERVICE, "permissions", Arc::new(Echo));
        let check = async |answer: Value| approver.check(&ask(json!({ "answer": answer }))).await;
        assert_eq!(check(json!({"decision": "allow"})).await, Decision::Allow { input: None });
        let edited = json!({"decision": "allow", "input": {"command": "ls"}});
        assert_eq!(check(edited).await, Decision::Allow { input: Some(json!({"command": "ls"})) });
        assert_eq!(check(json!({"decision": "deny", "message": "no"})).await, Decision::deny("no"));
        for odd in [json!("allow"), json!({"decision": "yes"}), json!([]), json!(null), json!(true)] {
            assert!(matches!(check(odd).await, Decision::Deny { .. }));
        }
    }
}

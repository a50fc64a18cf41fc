//! Why a command ended without doing what was asked.

use std::process::ExitCode;

use ccproxy_core::config::Problem;

/// What a command returns.
pub(crate) type Outcome = Result<(), Failure>;

/// A failure and its exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// 1: it did not work.
    Failed {
        /// What did not.
        message: String,
        /// What would mend it.
        hint: Option<String>,
    },
    /// 1: everything was already said.
    Silent,
    /// 78: the configuration is wrong.
    Config(Vec<Problem>),
    /// 128 and the number of the signal that ended the command, as shells have it.
    Signal(u8),
}

impl Failure {
    /// Exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Failure::Failed { message: message.into(), hint: None }
    }

    /// Adds what would mend it.
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        match self {
            Failure::Failed { message, .. } => Failure::Failed { message, hint: Some(hint.into()) },
            other => other,
        }
    }

    /// The exit code.
    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Failure::Failed { .. } | Failure::Silent => ExitCode::from(1),
            Failure::Config(_) => ExitCode::from(78),
            Failure::Signal(number) => ExitCode::from(128_u8.saturating_add(*number)),
        }
    }
}

impl From<ccproxy_core::oauth::Failure> for Failure {
    fn from(failure: ccproxy_core::oauth::Failure) -> Self {
        Failure::new(failure.told())
    }
}

impl From<ccproxy_core::Error> for Failure {
    fn from(error: ccproxy_core::Error) -> Self {
        Failure::new(error.log().unwrap_or(error.message()))
    }
}

//! The vendors as data: where each answers, which variable holds its key, which endpoints it has, and how it
//! differs from OpenAI.

use std::borrow::Cow;

use crate::formats::Quirk::{self, *};

/// A server that speaks OpenAI's protocol.
#[derive(Clone, Debug)]
pub(super) struct Vendor {
    /// The plugin's name, and the first part of its paths.
    pub(super) name: Cow<'static, str>,
    /// For people.
    pub(super) title: Cow<'static, str>,
    /// The section of the configuration that its table is in: `plugins` or `providers`.
    pub(super) section: &'static str,
    /// Its API, version included. `None`: it has no usual address, so the settings must tell.
    pub(super) base_url: Option<&'static str>,
    /// The environment variable that its own tools read a key from.
    pub(super) variable: Option<&'static str>,
    /// Whether it asks for a key at all.
    pub(super) needs_key: bool,
    /// `/responses` beside `/chat/completions`.
    pub(super) responses: bool,
    /// `/responses` keeps what it made, and counts tokens.
    pub(super) stores: bool,
    /// `/embeddings`.
    pub(super) embeddings: bool,
    /// How its chat differs.
    pub(super) quirks: &'static [Quirk],
    /// Models that are its own: a request for one that names no provider goes to it.
    pub(super) models: &'static [&'static str],
    /// What only its keys look like: such a key is handed to nobody else.
    pub(super) marks: &'static [&'static str],
}

impl Vendor {
    const fn hosted(name: &'static str, title: &'static str, url: &'static str, key: &'static str) -> Self {
        Vendor {
            name: Cow::Borrowed(name),
            title: Cow::Borrowed(title),
            section: "plugins",
            base_url: Some(url),
            variable: Some(key),
            needs_key: true,
            responses: false,
            stores: false,
            embeddings: false,
            quirks: USUAL,
            models: &[],
            marks: &[],
        }
    }

    const fn local(name: &'static str, title: &'static str, url: Option<&'static str>) -> Self {
        Vendor {
            name: Cow::Borrowed(name),
            title: Cow::Borrowed(title),
            section: "plugins",
            base_url: url,
            variable: None,
            needs_key: false,
            responses: false,
            stores: false,
            embeddings: true,
            quirks: USUAL,
            models: &[],
            marks: &[],
        }
    }

    /// A server of the user's own, with what its table says.
    pub(super) fn own(name: &str, responses: bool, embeddings: bool) -> Self {
        Vendor {
            name: name.to_owned().into(),
            title: name.to_owned().into(),
            section: "providers",
            base_url: None,
            variable: None,
            needs_key: false,
            responses,
            stores: false,
            embeddings,
            quirks: USUAL,
            models: &[],
            marks: &[],
        }
    }

    const fn with_responses(mut self) -> Self {
        self.responses = true;
        self
    }

    const fn with_store(mut self) -> Self {
        self.stores = true;
        self
    }

    const fn with_embeddings(mut self) -> Self {
        self.embeddings = true;
        self
    }

    const fn serving(mut self, models: &'static [&'static str]) -> Self {
        self.models = models;
        self
    }

    const fn marked(mut self, marks: &'static [&'static str]) -> Self {
        self.marks = marks;
        self
    }

    const fn with_quirks(mut self, quirks: &'static [Quirk]) -> Self {
        self.quirks = quirks;
        self
    }
}

/// What nearly every server but OpenAI's own differs in.
const USUAL: &[Quirk] = &[MaxTokens, NoDeveloper, NoCacheKey, NoAccount, NoVerbosity, NoCustomTools];

/// The one whose protocol it is; always there.
pub(super) const OPENAI: Vendor =
    Vendor::hosted("openai", "OpenAI", "https://api.openai.com/v1", "OPENAI_API_KEY")
        .with_responses()
        .with_embeddings()
        .with_store()
        .with_quirks(&[NoThoughts])
        .serving(&[
            "gpt-*",
            "o1*",
            "o3*",
            "o4*",
            "chatgpt-*",
            "codex-*",
            "computer-use-*",
            "text-embedding-*",
        ])
        // The middle part is in every key of its API, old and new.
        .marked(&["sk-proj-*", "sk-svcacct-*", "sk-admin-*", "sk-*T3BlbkFJ*"]);

/// The others, each asleep until the configuration mentions it. The addresses and the quirks are those of the
/// vendors' own documentation. vLLM's usual port is this proxy's too, so it has no default.
pub(super) const OTHERS: &[Vendor] = &[
    Vendor::hosted("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY")
        .with_responses()
        .with_embeddings()
        .with_quirks(&[MaxTokens, NoDeveloper, NoCustomTools, ReasoningWord])
        .marked(&["sk-or-*"]),
    // Refuses fields that it does not know, `reasoning_content` among them.
    Vendor::hosted("groq", "Groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY")
        .with_responses()
        .with_quirks(&[NoDeveloper, NoCacheKey, NoAccount, NoVerbosity, NoCustomTools, ReasoningWord])
        .marked(&["gsk_*"]),
    // Knows thoughts of earlier turns, and asks for them between tool calls.
    Vendor::hosted("deepseek", "DeepSeek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY")
        .with_quirks(&[MaxTokens, NoDeveloper, NoCacheKey, NoAccount, NoVerbosity, NoSchema, NoCustomTools])
        .serving(&["deepseek-*"]),
    // Refuses fields that it does not know, and ids that are not its own.
    Vendor::hosted("mistral", "Mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY")
        .with_embeddings()
        .with_quirks(&[
            MaxTokens,
            NoDeveloper,
            NoEffort,
            NoCacheKey,
            NoAccount,
            NoUser,
            NoVerbosity,
            NoStreamOptions,
            NoCustomTools,
            NoThoughts,
            ShortIds,
        ])
        .serving(&["mistral-*", "magistral-*", "ministral-*", "codestral-*", "devstral-*", "pixtral-*"]),
    Vendor::hosted("xai", "xAI", "https://api.x.ai/v1", "XAI_API_KEY")
        .with_responses()
        .with_quirks(&[NoCacheKey, NoAccount, NoVerbosity, NoCustomTools])
        .serving(&["grok-*"])
        .marked(&["xai-*"]),
    Vendor::hosted("together", "Together", "https://api.together.xyz/v1", "TOGETHER_API_KEY")
        .with_embeddings()
        .marked(&["tgp_v1_*"]),
    Vendor::hosted("fireworks", "Fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY")
        .with_responses()
        .with_embeddings()
        .serving(&["accounts/fireworks/*"])
        .marked(&["fw_*"]),
    Vendor::local("ollama", "Ollama", Some("http://127.0.0.1:11434/v1")).with_responses().with_quirks(&[
        MaxTokens,
        NoDeveloper,
        NoCacheKey,
        NoAccount,
        NoVerbosity,
        NoCustomTools,
        ReasoningWord,
    ]),
    Vendor::local("vllm", "vLLM", None).with_responses(),
    Vendor::local("lmstudio", "LM Studio", Some("http://127.0.0.1:1234/v1")).with_responses(),
    Vendor::local("llamacpp", "llama.cpp", Some("http://127.0.0.1:8080/v1")),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::base_url::BaseUrl;

    #[test]
    fn every_row_is_sound() {
        let mut names = HashSet::new();
        for vendor in std::iter::once(&OPENAI).chain(OTHERS) {
            assert!(names.insert(&vendor.name), "{} twice", vendor.name);
            assert!(vendor.name.bytes().all(|byte| byte.is_ascii_lowercase()), "{}", vendor.name);
            assert_eq!(vendor.needs_key, vendor.variable.is_some(), "{}", vendor.name);
            let Some(url) = vendor.base_url else { continue };
            let base = BaseUrl::parse(url).expect(&vendor.name);
            assert!(base.path.ends_with("/v1"), "{url}");
            assert_eq!(base.origin.scheme.as_str() == "https", vendor.needs_key, "{url}");
        }
    }
}

//! The vendors as data: where each answers, which variable holds its key, and which endpoints it has.

/// A server that speaks OpenAI's protocol.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vendor {
    /// The plugin's name, and the first part of its paths.
    pub(super) name: &'static str,
    /// For people.
    pub(super) title: &'static str,
    /// Its API, version included. `None`: it has no usual address, so the settings must tell.
    pub(super) base_url: Option<&'static str>,
    /// The environment variable that its own tools read a key from.
    pub(super) variable: Option<&'static str>,
    /// Whether it asks for a key at all.
    pub(super) needs_key: bool,
    /// `/responses` beside `/chat/completions`.
    pub(super) responses: bool,
    /// `/embeddings`.
    pub(super) embeddings: bool,
}

impl Vendor {
    const fn hosted(name: &'static str, title: &'static str, url: &'static str, key: &'static str) -> Self {
        Vendor {
            name,
            title,
            base_url: Some(url),
            variable: Some(key),
            needs_key: true,
            responses: false,
            embeddings: false,
        }
    }

    const fn local(name: &'static str, title: &'static str, url: Option<&'static str>) -> Self {
        Vendor {
            name,
            title,
            base_url: url,
            variable: None,
            needs_key: false,
            responses: false,
            embeddings: true,
        }
    }

    const fn with_responses(self) -> Self {
        Vendor { responses: true, ..self }
    }

    const fn with_embeddings(self) -> Self {
        Vendor { embeddings: true, ..self }
    }
}

/// The one whose protocol it is; always there.
pub(super) const OPENAI: Vendor =
    Vendor::hosted("openai", "OpenAI", "https://api.openai.com/v1", "OPENAI_API_KEY")
        .with_responses()
        .with_embeddings();

/// The others, each asleep until the configuration mentions it. The addresses are those of the vendors'
/// own documentation. vLLM's usual port is this proxy's too, so it has no default.
pub(super) const OTHERS: &[Vendor] = &[
    Vendor::hosted("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY")
        .with_responses()
        .with_embeddings(),
    Vendor::hosted("groq", "Groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY").with_responses(),
    Vendor::hosted("deepseek", "DeepSeek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    Vendor::hosted("mistral", "Mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY").with_embeddings(),
    Vendor::hosted("xai", "xAI", "https://api.x.ai/v1", "XAI_API_KEY").with_responses(),
    Vendor::hosted("together", "Together", "https://api.together.xyz/v1", "TOGETHER_API_KEY")
        .with_embeddings(),
    Vendor::hosted("fireworks", "Fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY")
        .with_responses()
        .with_embeddings(),
    Vendor::local("ollama", "Ollama", Some("http://127.0.0.1:11434/v1")).with_responses(),
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
            assert!(names.insert(vendor.name), "{} twice", vendor.name);
            assert!(vendor.name.bytes().all(|byte| byte.is_ascii_lowercase()), "{}", vendor.name);
            assert_eq!(vendor.needs_key, vendor.variable.is_some(), "{}", vendor.name);
            let Some(url) = vendor.base_url else { continue };
            let base = BaseUrl::parse(url).expect(vendor.name);
            assert!(base.path.ends_with("/v1"), "{url}");
            assert_eq!(base.origin.scheme.as_str() == "https", vendor.needs_key, "{url}");
        }
    }
}

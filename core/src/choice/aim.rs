//! A candidate as the configuration writes it: `provider/model`, `provider/*`, `provider`.

use std::sync::Arc;

use super::pattern::Pattern;

/// Where a request may go, before it is known which model it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aim {
    /// The provider's name.
    pub provider: Arc<str>,
    /// The model it is asked for.
    model: Model,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Model {
    AsAsked,
    /// A star stands for what the same star of the rule's pattern stood for.
    Named(Arc<str>),
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// The provider's name.
    pub provider: Arc<str>,
    /// The model it is asked for; empty when the request names none.
    pub model: Arc<str>,
}

impl Aim {
    /// Reads one. `stars` is how many stars its pattern has.
    pub fn parse(text: &str, stars: usize) -> Result<Self, String> {
        let (provider, model) = match text.split_once('/') {
            Some((provider, model)) => (provider, Some(model)),
            None => (text, None),
        };
        let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if provider.is_empty() || !provider.bytes().all(sound) {
            return Err(format!(
                "`{text}` is no candidate: write it as `provider/model`, or `provider` for the model as asked"
            ));
        }
        let model = match model {
            None | Some("*") => Model::AsAsked,
            Some("") => return Err(format!("`{text}` names no model behind the slash")),
            Some(model) => {
                let wanted = Pattern::new(model).stars();
                if wanted > stars {
                    return Err(format!(
                        "`{text}` has {wanted} `*`, and its pattern {stars}: a star stands for what the pattern's star matched"
                    ));
                }
                Model::Named(model.into())
            }
        };
        Ok(Aim { provider: provider.into(), model })
    }

    /// The candidate for a model that was asked for; `captures` is what the pattern's stars stood for.
    pub fn at(&self, asked: &str, captures: &[&str]) -> Candidate {
        let model = match &self.model {
            Model::AsAsked => as_asked(&self.provider, asked).into(),
            Model::Named(model) if !model.contains('*') => model.clone(),
            Model::Named(model) => {
                let mut parts = model.split('*');
                let mut text = parts.next().unwrap_or_default().to_owned();
                for (part, captured) in parts.zip(captures) {
                    text.push_str(captured);
                    text.push_str(part);
                }
                text.into()
            }
        };
        Candidate { provider: self.provider.clone(), model }
    }
}

/// The model as its provider knows it: `groq/llama` is `llama` at groq, and itself anywhere else.
fn as_asked<'a>(provider: &str, asked: &'a str) -> &'a str {
    let inside = asked.strip_prefix(provider).and_then(|rest| rest.strip_prefix('/'));
    inside.filter(|model| !model.is_empty()).unwrap_or(asked)
}

impl std::fmt::Display for Aim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.model {
            Model::AsAsked => f.write_str(&self.provider),
            Model::Named(model) => write!(f, "{}/{model}", self.provider),
        }
    }
}

impl std::fmt::Display for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.model {
            "" => f.write_str(&self.provider),
            model => write!(f, "{}/{model}", self.provider),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at(aim: &str, pattern: &str, asked: &str) -> String {
        let pattern = Pattern::new(pattern);
        let captures = pattern.captures(asked).unwrap();
        Aim::parse(aim, pattern.stars()).unwrap().at(asked, &captures).to_string()
    }

    #[test]
    fn every_form() {
        assert_eq!(at("groq", "*", "llama"), "groq/llama");
        assert_eq!(at("groq/*", "my-*", "my-llama"), "groq/my-llama", "the model as asked");
        assert_eq!(at("groq/llama-*", "my-*", "my-70b"), "groq/llama-70b");
        assert_eq!(at("openrouter/*/x-*", "*:*", "meta:70b"), "openrouter/meta/x-70b");
        assert_eq!(at("openrouter/meta/llama", "fast", "fast"), "openrouter/meta/llama");
        assert_eq!(at("groq", "groq/*", "groq/llama"), "groq/llama", "its own name in front is no part");
        assert_eq!(at("together", "groq/*", "groq/llama"), "together/groq/llama");
        assert_eq!(at("groq", "*", ""), "groq", "a request without a model");
    }

    #[test]
    fn what_is_none_says_how_to_write_one() {
        for (text, stars, said) in [
            ("", 0, "provider/model"),
            ("/model", 0, "provider/model"),
            ("Groq/x", 0, "provider/model"),
            ("https://groq", 0, "provider/model"),
            ("groq/", 0, "no model behind the slash"),
            ("groq/a-*", 0, "has 1 `*`, and its pattern 0"),
            ("groq/*-*", 1, "has 2 `*`, and its pattern 1"),
        ] {
            let error = Aim::parse(text, stars).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}

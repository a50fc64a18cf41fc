//! Messages and what they are made of.

use ccproxy_core::document::Json;

use super::{Dialect, Raw, Seal, Text};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::formats) enum Role {
    System,
    Developer,
    /// Results of tools come from here too.
    User,
    Assistant,
}

impl Role {
    pub(in crate::formats) fn instructs(self) -> bool {
        matches!(self, Role::System | Role::Developer)
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::formats) struct Message<'a> {
    pub(in crate::formats) role: Role,
    pub(in crate::formats) name: Option<Text<'a>>,
    pub(in crate::formats) parts: Vec<Part<'a>>,
}

/// A piece of a message, with the cache mark it carries.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::formats) struct Part<'a> {
    pub(in crate::formats) content: Content<'a>,
    pub(in crate::formats) cache: Option<Cache<'a>>,
}

/// The end of a prefix that a later request will share.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::formats) enum Cache<'a> {
    /// Anthropic's `cache_control`.
    Control(Raw<'a>),
    /// OpenAI's `prompt_cache_breakpoint`, which models from GPT-5.6 on take.
    Breakpoint(Raw<'a>),
}

impl<'a> Cache<'a> {
    /// The mark that a part carries, in either spelling.
    pub(in crate::formats) fn of(part: &Json<'a>) -> Option<Self> {
        let mark = |key: &str| part.key(key).filter(|mark| mark.is_container()).map(|mark| Raw::of(&mark));
        mark("cache_control")
            .map(Cache::Control)
            .or_else(|| mark("prompt_cache_breakpoint").map(Cache::Breakpoint))
    }

    /// As Anthropic's.
    pub(in crate::formats) fn control(&self) -> &str {
        match self {
            Cache::Control(raw) => raw.as_str(),
            Cache::Breakpoint(raw) => {
                let lives = raw.json().and_then(|mark| mark.key("ttl")?.as_str());
                match lives.as_deref() {
                    Some("12h") => "{\"type\":\"ephemeral\",\"ttl\":\"1h\"}",
                    _ => "{\"type\":\"ephemeral\"}",
                }
            }
        }
    }

    /// As OpenAI's. Anthropic's marks stay behind: not every model of OpenAI takes any, and all cache by themselves.
    pub(in crate::formats) fn breakpoint(&self) -> Option<&str> {
        match self {
            Cache::Control(_) => None,
            Cache::Breakpoint(raw) => Some(raw.as_str()),
        }
    }
}

impl Part<'_> {
    /// The mark in OpenAI's spelling.
    pub(in crate::formats) fn breakpoint(&self) -> Option<&str> {
        self.cache.as_ref()?.breakpoint()
    }

    /// Whether it carries a mark that OpenAI's formats have no place for.
    pub(in crate::formats) fn marked(&self) -> bool {
        matches!(self.cache, Some(Cache::Control(_)))
    }
}

impl<'a> From<Content<'a>> for Part<'a> {
    fn from(content: Content<'a>) -> Self {
        Part { content, cache: None }
    }
}

/// What a piece is.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::formats) enum Content<'a> {
    Text(Text<'a>),
    /// The model declined, in words.
    Refusal(Text<'a>),
    Image {
        source: Source<'a>,
        /// `low`, `high`, `auto`, `original`.
        detail: Option<Text<'a>>,
    },
    Document {
        source: Source<'a>,
        name: Option<Text<'a>>,
        context: Option<Text<'a>>,
        /// Whether the answer should cite it.
        citations: Option<Raw<'a>>,
    },
    /// OpenAI's `input_audio` object.
    Audio(Raw<'a>),
    Thought(Thought<'a>),
    Call(ToolCall<'a>),
    Result(ToolResult<'a>),
    /// Something only one format knows.
    Other {
        from: Dialect,
        kind: Text<'a>,
        raw: Raw<'a>,
    },
}

/// Where the bytes of an image or document are.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::formats) enum Source<'a> {
    Base64 {
        media: Text<'a>,
        data: Text<'a>,
    },
    Url(Text<'a>),
    /// A file that was uploaded to the provider.
    Id(Text<'a>),
    /// Plain text.
    Text(Text<'a>),
}

impl<'a> Source<'a> {
    /// A `data:` URL in base64 is taken apart; any other URL is one.
    pub(in crate::formats) fn of_url(url: Text<'a>) -> Self {
        let Some((media, data)) = data_url(&url) else { return Source::Url(url) };
        match &url {
            std::borrow::Cow::Borrowed(text) => match data_url(text) {
                Some((media, data)) => Source::Base64 { media: media.into(), data: data.into() },
                None => Source::Url(url),
            },
            std::borrow::Cow::Owned(_) => {
                Source::Base64 { media: media.to_owned().into(), data: data.to_owned().into() }
            }
        }
    }

    /// As a URL, when it can be one.
    pub(in crate::formats) fn to_url(&self) -> Option<String> {
        match self {
            Source::Base64 { media, data } => Some(format!("data:{media};base64,{data}")),
            Source::Url(url) => Some(url.to_string()),
            Source::Id(_) | Source::Text(_) => None,
        }
    }
}

fn data_url(url: &str) -> Option<(&str, &str)> {
    let head = url.get(..5).filter(|head| head.eq_ignore_ascii_case("data:"))?;
    let (about, data) = url[head.len()..].split_once(',')?;
    let media = about.strip_suffix(";base64")?;
    // Parameters such as `;charset=utf-8` are none of the media types that providers list.
    Some((media.split(';').next().unwrap_or(media), data))
}

/// What the model thought, and the seal by which its maker knows it again.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::formats) struct Thought<'a> {
    /// Parts of a summary, or the thinking itself.
    pub(in crate::formats) texts: Vec<Text<'a>>,
    pub(in crate::formats) seal: Option<Seal<'a>>,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::formats) struct ToolCall<'a> {
    pub(in crate::formats) id: Text<'a>,
    pub(in crate::formats) namespace: Option<Text<'a>>,
    pub(in crate::formats) name: Text<'a>,
    /// JSON text exactly as the model wrote it, or free text for a custom tool.
    pub(in crate::formats) arguments: Text<'a>,
    pub(in crate::formats) custom: bool,
}

impl ToolCall<'_> {
    /// Arguments as OpenAI writes them: none are an empty object.
    pub(in crate::formats) fn json_arguments(&self) -> &str {
        if self.arguments.trim().is_empty() { "{}" } else { &self.arguments }
    }
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::formats) struct ToolResult<'a> {
    pub(in crate::formats) id: Text<'a>,
    /// Texts, images, documents.
    pub(in crate::formats) parts: Vec<Part<'a>>,
    pub(in crate::formats) is_error: Option<bool>,
    /// The answer of a custom tool.
    pub(in crate::formats) custom: bool,
}

/// All texts of some parts, run together.
pub(in crate::formats) fn texts(parts: &[Part<'_>]) -> String {
    let mut all = String::new();
    for part in parts {
        if let Content::Text(text) | Content::Refusal(text) = &part.content {
            all.push_str(text);
        }
    }
    all
}

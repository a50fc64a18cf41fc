//! From the model that a request asks for to its candidates.
//!
//! The first that has an answer decides: aliases, rules in order, a provider's name in front of the model's,
//! the models that providers say they serve, the default.

use super::{Candidate, Choice, LeftOut, Reason, Routing};
use crate::config::nearest;
use crate::error::{Error, Kind, Result, Side};
use crate::generation::{Family, Generation};
use crate::provider::Operation;
use crate::registry::State;

/// Longest name of a model. It is kept in memory while its candidate rests, and written to the log.
const LONGEST: usize = 512;

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The model; empty when it names none.
    pub model: &'a str,
    /// The client's wire format.
    pub format: &'a str,
    /// The name of the client's key.
    pub client: &'a str,
    /// Whether it asks for a stream.
    pub stream: bool,
    /// The provider that issued the client's own credential, where that can be told.
    pub issuer: Option<&'a str>,
}

impl Routing {
    /// The candidates of a request that can be asked now, or the client's error.
    pub fn choose(&self, generation: &Generation, wanted: &Operation, wish: &Wish<'_>) -> Result<Choice> {
        check_name(wish.model)?;
        let Some((reason, named)) = self.named(generation, wanted, wish) else {
            return Err(self.unknown(generation, wish));
        };
        let mut choice =
            Choice { asked: wish.model.into(), reason, candidates: Vec::new(), left_out: Vec::new() };
        for candidate in named {
            if choice.candidates.contains(&candidate) {
                continue;
            }
            match obstacle(generation, wanted, &candidate.provider) {
                None => choice.candidates.push(candidate),
                Some(obstacle) => {
                    choice.left_out.push(LeftOut { candidate, reason: obstacle.message().to_owned() });
                }
            }
        }
        match choice.candidates.is_empty() {
            false => Ok(choice),
            true => Err(nobody(generation, wanted, &choice)),
        }
    }

    /// Who is named for it, whether they run or not.
    fn named(
        &self,
        generation: &Generation,
        wanted: &Operation,
        wish: &Wish<'_>,
    ) -> Option<(Reason, Vec<Candidate>)> {
        let settings = &self.settings;
        if let Some(aims) = settings.aliases.get(wish.model) {
            let candidates = aims.iter().map(|aim| aim.at(wish.model, &[])).collect();
            return Some((Reason::Alias(wish.model.to_owned()), candidates));
        }
        for (index, rule) in settings.rules.iter().enumerate() {
            if let Some(captures) = rule.captures(wish) {
                let candidates = rule.candidates.iter().map(|aim| aim.at(wish.model, &captures)).collect();
                return Some((Reason::Rule(index + 1, rule.model.text().to_owned()), candidates));
            }
        }
        if let Some((provider, model)) = wish.model.split_once('/')
            && !model.is_empty()
            && generation.provider(provider).is_some()
        {
            let candidate = Candidate { provider: provider.into(), model: model.into() };
            return Some((Reason::Named, vec![candidate]));
        }
        let fitting: Vec<_> =
            generation.families.iter().filter(|family| family.pattern.fits(wish.model)).collect();
        let able = |family: &&&Family| generation.operation(&family.provider, wanted).is_some();
        let mut able = fitting.iter().filter(able);
        // Of several that serve it, the one that the client has a credential of.
        let issuer = able.clone().find(|family| wish.issuer == Some(&*family.provider));
        if let Some(family) =
            issuer.or_else(|| able.next()).or(fitting.first()).filter(|_| !wish.model.is_empty())
        {
            let candidate = Candidate { provider: family.provider.clone(), model: wish.model.into() };
            return Some((Reason::Family(family.pattern.text().to_owned()), vec![candidate]));
        }
        let candidates: Vec<_> = settings.default.iter().map(|aim| aim.at(wish.model, &[])).collect();
        (!candidates.is_empty()).then_some((Reason::Default, candidates))
    }

    /// Nothing is known of the model: the error says what is near, and how to name a provider.
    fn unknown(&self, generation: &Generation, wish: &Wish<'_>) -> Error {
        if wish.model.is_empty() {
            let message = "`model` is missing, and `routing.default` names nobody who is asked without one";
            return Error::client(Kind::InvalidRequest, message);
        }
        let model = excerpt(wish.model);
        let prefix = wish.model.split_once('/').map(|(provider, _)| provider);
        if let Some(obstacle) = prefix.and_then(|provider| asleep(generation, provider)) {
            return obstacle;
        }
        let providers: Vec<&str> = generation.provider_names().collect();
        let near = match wish.model.split_once('/') {
            Some((prefix, rest)) => nearest(prefix, providers.iter().copied())
                .map(|provider| format!("did you mean `{provider}/{}`? ", excerpt(rest))),
            None => nearest(wish.model, self.settings.aliases.keys().map(String::as_str))
                .map(|alias| format!("did you mean `{alias}`? ")),
        };
        let message = format!(
            "no provider is known for model `{model}`; {}name one in front, as in `{}/{model}`, or give it a rule in \
             `routing.rules`. Providers that run: {}",
            near.unwrap_or_default(),
            providers.first().copied().unwrap_or("provider"),
            if providers.is_empty() { "none".to_owned() } else { providers.join(", ") },
        );
        Error::client(Kind::NotFound, message)
    }
}

/// A name that may be remembered and written to the log.
pub(crate) fn check_name(model: &str) -> Result<()> {
    if model.len() <= LONGEST && !model.chars().any(char::is_control) {
        return Ok(());
    }
    let message =
        format!("`model` is no name: it is longer than {LONGEST} bytes, or holds control characters");
    Err(Error::client(Kind::InvalidRequest, message))
}

/// Why a provider cannot be asked for an operation; `None` when it can.
pub(super) fn obstacle(generation: &Generation, wanted: &Operation, provider: &str) -> Option<Error> {
    if generation.operation(provider, wanted).is_some() {
        return None;
    }
    if generation.provider(provider).is_some() {
        let (name, format) = (wanted.name, wanted.format.name());
        let message = format!("provider `{provider}` has no `{name}` for `{format}` clients");
        return Some(Error::client(Kind::InvalidRequest, message));
    }
    Some(asleep(generation, provider).unwrap_or_else(|| {
        let near = nearest(provider, generation.provider_names());
        let near = near.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        Error::client(Kind::NotFound, format!("there is no provider `{}`{near}", excerpt(provider)))
    }))
}

/// Why a provider that there is does not run.
fn asleep(generation: &Generation, provider: &str) -> Option<Error> {
    let entry = generation.entry(provider)?;
    if entry.manifest.kind != crate::plugin::PluginKind::Provider || entry.state.runs() {
        return None;
    }
    Some(match &entry.state {
        State::Disabled(reason) => {
            Error::client(Kind::NotFound, format!("provider `{provider}` is off: {reason}"))
        }
        _ => {
            let message = format!("provider `{provider}` does not run; `ccproxy plugins check` says why");
            Error::new(Side::Plugin, Kind::Unavailable, message)
        }
    })
}

/// Everybody who is named cannot be asked: the first one's reason decides.
fn nobody(generation: &Generation, wanted: &Operation, choice: &Choice) -> Error {
    let first = choice.left_out.first();
    let error = first.and_then(|left_out| obstacle(generation, wanted, &left_out.candidate.provider));
    let Some(error) = error else { return Error::internal("a choice without candidates") };
    let others: Vec<&str> = choice.left_out.iter().skip(1).map(|left_out| left_out.reason.as_str()).collect();
    if others.is_empty() {
        return error;
    }
    let message = format!("{} ({}); {}", error.message(), choice.reason, others.join("; "));
    Error::new(error.side(), error.kind(), message)
}

/// A name of the client's as an error may repeat it.
fn excerpt(name: &str) -> &str {
    match name.char_indices().nth(100) {
        Some((end, _)) => &name[..end],
        None => name,
    }
}

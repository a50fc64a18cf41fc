//! The client's own credential at the front door: whose it is, and who may see it.
//!
//! A credential whose form tells who issued it goes to that provider and to nobody else. Any other goes to the
//! first candidate only, and only where that one speaks the client's own format: a client of one vendor then
//! never hands its key to another just because a model was routed there.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::Pattern;
use crate::redact::is_credential;

/// What credentials look like, by issuer. From the manifests of all providers, running or not.
#[derive(Clone, Debug, Default)]
pub struct Marks(Vec<(Pattern, Arc<str>)>);

impl Marks {
    /// Patterns and the providers that issue such credentials.
    pub fn new(marks: impl IntoIterator<Item = (Pattern, Arc<str>)>) -> Self {
        Marks(marks.into_iter().collect())
    }

    /// Who issued the credential of a request, where its form tells.
    pub fn issuer(&self, headers: &HeaderMap) -> Option<&Arc<str>> {
        let credentials = headers.iter().filter(|(name, _)| is_credential(name));
        let mut bare = credentials.filter_map(|(_, value)| bare(value));
        bare.find_map(|bare| self.0.iter().find(|(mark, _)| mark.fits(bare)).map(|(_, issuer)| issuer))
    }

    /// Whether `value`, a header's, may go to a provider. `first`: it is the first candidate, and speaks the
    /// client's own format.
    fn admit(&self, value: &HeaderValue, provider: &str, first: bool) -> bool {
        // What is no text is no credential that anybody could tell apart.
        let Some(bare) = bare(value) else { return first };
        let mut issuers = self.0.iter().filter(|(mark, _)| mark.fits(bare)).peekable();
        match issuers.peek() {
            None => first,
            Some(_) => issuers.any(|(_, issuer)| **issuer == *provider),
        }
    }
}

/// A credential without the scheme in front of it.
fn bare(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?.trim();
    match text.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => Some(rest.trim_start()),
        _ => Some(text),
    }
}

/// The credential fields of a request, taken out of it while candidates are asked.
#[derive(Default)]
pub struct Own(SmallVec<[(HeaderName, HeaderValue); 2]>);

impl Own {
    /// Takes them out.
    pub fn take(headers: &mut HeaderMap) -> Self {
        let names: SmallVec<[HeaderName; 2]> =
            headers.keys().filter(|name| is_credential(name)).cloned().collect();
        let mut own = Own::default();
        for name in names {
            own.0.extend(headers.get_all(&name).iter().map(|value| (name.clone(), value.clone())));
            headers.remove(&name);
        }
        own
    }

    /// Puts back those that a provider may see; the answer is whether one was kept from it.
    pub fn lend(&self, headers: &mut HeaderMap, marks: &Marks, provider: &str, first: bool) -> bool {
        let mut withheld = false;
        for (name, value) in &self.0 {
            match marks.admit(value, provider, first) {
                true => {
                    headers.append(name.clone(), value.clone());
                }
                false => withheld = true,
            }
        }
        withheld
    }

    /// Takes out again what was lent.
    pub fn take_back(&self, headers: &mut HeaderMap) {
        for (name, _) in &self.0 {
            headers.remove(name);
        }
    }

    /// Puts everything back where it was.
    pub fn restore(&self, headers: &mut HeaderMap) {
        self.take_back(headers);
        for (name, value) in &self.0 {
            headers.append(name.clone(), value.clone());
        }
    }
}

/// Never shows a value.
impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Own({} fields)", self.0.len())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn marks() -> Marks {
        let marks = [("ant-*", "one"), ("*XYZ*", "two"), ("gsk_*", "three"), ("gsk_*", "four")];
        Marks::new(marks.map(|(mark, provider)| (Pattern::new(mark), provider.into())))
    }

    #[test]
    fn a_credential_that_tells_its_issuer_goes_to_nobody_else() {
        let admit = |value: &str, provider: &str, first: bool| {
            marks().admit(&HeaderValue::from_str(value).unwrap(), provider, first)
        };
        for value in ["ant-1", "Bearer ant-1", "bearer   ant-1", " ant-1 "] {
            assert!(admit(value, "one", true) && admit(value, "one", false), "{value}");
            assert!(!admit(value, "two", true) && !admit(value, "two", false), "{value}");
        }
        assert!(admit("Bearer sk-aXYZb", "two", false) && !admit("Bearer sk-aXYZb", "one", true));
        assert!(
            admit("gsk_1", "three", false) && admit("gsk_1", "four", false) && !admit("gsk_1", "one", true)
        );
        assert!(admit("anything", "one", true) && !admit("anything", "one", false));
        assert!(admit("Basic ant-1", "one", true) && !admit("Basic ant-1", "one", false), "another scheme");
    }

    #[test]
    fn what_is_lent_comes_back() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer ant-1"),
            ("x-api-key", "other"),
            ("x-goog-api-key", "g"),
            ("accept", "*/*"),
        ] {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let before = headers.clone();
        let own = Own::take(&mut headers);
        assert_eq!(headers.len(), 1);
        assert!(own.lend(&mut headers, &marks(), "one", false), "two were kept back");
        assert_eq!(headers.len(), 2);
        assert_eq!(headers["authorization"], "Bearer ant-1");
        own.take_back(&mut headers);
        assert!(!own.lend(&mut headers, &marks(), "one", true));
        own.restore(&mut headers);
        assert_eq!(headers, before);
        assert!(!format!("{own:?}").contains("ant-1"));
    }
}

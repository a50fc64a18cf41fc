//! A plugin that another one needs, with the versions that will do: `pricing`, `pricing >=1.2, <2`.

use semver::{Version, VersionReq};

/// What stands in `dependencies`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The plugin.
    pub name: String,
    /// The versions that will do; `None`: any.
    versions: Option<VersionReq>,
}

impl Need {
    /// Reads it. The error is for the plugin's author.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, versions) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
        let versions = match versions.trim() {
            "" => None,
            versions => Some(VersionReq::parse(versions).map_err(|error| {
                format!("`{versions}` does not say which versions, as `>=1.2` and `>=1.2, <2` do: {error}")
            })?),
        };
        Ok(Need { name: name.to_owned(), versions })
    }

    /// Why a plugin of this version will not do.
    pub(super) fn refuses(&self, version: &str) -> Option<String> {
        let wanted = self.versions.as_ref()?;
        let fits = version_of(version).is_some_and(|version| wanted.matches(&version));
        (!fits).then(|| format!("it needs plugin `{}` {wanted}, and `{version}` is there", self.name))
    }
}

/// `1.2` counts as `1.2.0`.
fn version_of(text: &str) -> Option<Version> {
    let short = text.bytes().filter(|byte| *byte == b'.').count() == 1;
    let padded = if short { format!("{text}.0") } else { text.to_owned() };
    Version::parse(&padded).ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_semantic_versions() {
        let need = Need::parse("pricing >=1.2, <2").unwrap();
        assert_eq!(need.name, "pricing");
        for (version, fits) in
            [("1.2.0", true), ("1.10", true), ("1.1.9", false), ("2.0.0", false), ("x", false)]
        {
            assert_eq!(need.refuses(version).is_none(), fits, "{version}");
        }
        assert_eq!(
            need.refuses("2.0.0").unwrap(),
            "it needs plugin `pricing` >=1.2, <2, and `2.0.0` is there"
        );
        assert_eq!(Need::parse("pricing").unwrap().refuses("0.0.1"), None);
        assert!(Need::parse("pricing newest").unwrap_err().contains("newest"));
    }
}

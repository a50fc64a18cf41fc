//! The order in which plugins start: dependencies and required services first.

use std::collections::{BTreeMap, BTreeSet};

use super::Need;
use crate::plugin::Manifest;

/// What one plugin needs and offers.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Plugins it needs, as [`Need`] reads them.
    pub dependencies: Vec<String>,
    /// Services it offers.
    pub provides: Vec<String>,
    /// Services it needs.
    pub requires: Vec<String>,
    /// Services it likes to have: they only decide the order.
    pub optional_requires: Vec<String>,
}

/// Who starts when, and who cannot.
#[derive(Debug, Default, PartialEq)]
pub struct Order {
    /// Names, first to start first.
    pub order: Vec<String>,
    /// Names that cannot start, with the reason.
    pub skipped: Vec<(String, String)>,
}

impl From<&Manifest> for Wanted {
    fn from(manifest: &Manifest) -> Self {
        Wanted {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            dependencies: manifest.dependencies.clone(),
            provides: manifest.provides.clone(),
            requires: manifest.requires.clone(),
            optional_requires: manifest.optional_requires.clone(),
        }
    }
}

impl Wanted {
    /// The names of the plugins it needs.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.dependencies.iter().map(|text| name_of(text))
    }

    /// The plugins it needs. One that cannot be read is needed by its whole text, and so never there.
    fn needs(&self) -> Vec<(&str, Option<Need>)> {
        let read = |text| Need::parse(text).ok();
        self.dependencies.iter().map(|text| (name_of(text), read(text))).collect()
    }
}

fn name_of(dependency: &str) -> &str {
    dependency.split_whitespace().next().unwrap_or_default()
}

/// Sorts plugins so that each comes after what it needs; names decide ties. A plugin that misses
/// something, or stands in a cycle, is skipped with the reason, and so is who needs it. The rest goes on.
/// `down` are the plugins that are known and do not run, with their reasons.
pub fn resolve(wanted: &[Wanted], down: &BTreeMap<String, String>) -> Order {
    let mut alive: BTreeMap<&str, &Wanted> =
        wanted.iter().map(|plugin| (plugin.name.as_str(), plugin)).collect();
    let mut skipped: Vec<(String, String)> = Vec::new();
    loop {
        let missing: Vec<(String, String)> = alive
            .values()
            .filter_map(|plugin| Some((plugin.name.clone(), missing(plugin, &alive, &skipped, down)?)))
            .collect();
        if missing.is_empty() {
            break;
        }
        for (name, reason) in missing {
            alive.remove(name.as_str());
            skipped.push((name, reason));
        }
    }
    let mut order = Vec::new();
    let mut left = alive.clone();
    loop {
        let ready = left
            .values()
            .find(|plugin| blockers(plugin, &alive, true).iter().all(|name| !left.contains_key(name)));
        // A cycle of optional wishes must not stop anyone.
        let ready = ready.or_else(|| {
            left.values()
                .find(|plugin| blockers(plugin, &alive, false).iter().all(|name| !left.contains_key(name)))
        });
        let Some(next) = ready.map(|plugin| plugin.name.as_str()) else { break };
        left.remove(next);
        order.push(next.to_owned());
    }
    for name in left.keys() {
        skipped.push(((*name).to_owned(), in_cycle(name, &left)));
    }
    Order { order, skipped }
}

fn missing(
    plugin: &Wanted,
    alive: &BTreeMap<&str, &Wanted>,
    skipped: &[(String, String)],
    down: &BTreeMap<String, String>,
) -> Option<String> {
    for (name, need) in plugin.needs() {
        let why = match (alive.get(name), down.get(name)) {
            (Some(there), _) => need.and_then(|need| need.refuses(&there.version)),
            (None, Some(reason)) => Some(format!("it needs plugin `{name}`, which does not run: {reason}")),
            (None, None) if skipped.iter().any(|(other, _)| other == name) => {
                Some(format!("it needs plugin `{name}`, which was skipped"))
            }
            (None, None) => Some(format!("it needs plugin `{name}`, which is not there")),
        };
        if why.is_some() {
            return why;
        }
    }
    let service = plugin.requires.iter().find(|service| provider_of(service, alive).is_none())?;
    Some(format!("it requires service `{service}`, which no running plugin provides"))
}

/// The plugins that must be up before this one. A service comes from the first plugin by name that offers it.
fn blockers<'a>(
    plugin: &'a Wanted,
    alive: &BTreeMap<&'a str, &'a Wanted>,
    optional: bool,
) -> BTreeSet<&'a str> {
    let wishes = plugin.optional_requires.iter().filter(|_| optional);
    plugin
        .dependencies
        .iter()
        .map(|text| name_of(text))
        .chain(plugin.requires.iter().chain(wishes).filter_map(|service| provider_of(service, alive)))
        .filter(|name| *name != plugin.name)
        .collect()
}

fn provider_of<'a>(service: &str, alive: &BTreeMap<&'a str, &'a Wanted>) -> Option<&'a str> {
    alive
        .values()
        .find(|plugin| plugin.provides.iter().any(|offered| offered == service))
        .map(|plugin| plugin.name.as_str())
}

fn in_cycle(name: &str, left: &BTreeMap<&str, &Wanted>) -> String {
    // Follow the first blocker until a name comes again: that loop is the cycle.
    let mut path = vec![name];
    loop {
        let here = path[path.len() - 1];
        let next = left.get(here).and_then(|plugin| {
            blockers(plugin, left, false).into_iter().find(|name| left.contains_key(name))
        });
        match next {
            Some(next) if path.contains(&next) => {
                let start = path.iter().position(|name| *name == next).unwrap_or(0);
                let mut cycle: Vec<&str> = path[start..].to_vec();
                cycle.push(next);
                let cycle = cycle.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" -> ");
                return if start == 0 {
                    format!("it stands in a cycle of dependencies: {cycle}")
                } else {
                    format!("it needs a plugin that stands in a cycle of dependencies: {cycle}")
                };
            }
            Some(next) => path.push(next),
            None => return "its dependencies cannot be put in order".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(wanted: &[Wanted]) -> Order {
        super::resolve(wanted, &BTreeMap::new())
    }

    fn plugin(name: &str, dependencies: &[&str]) -> Wanted {
        Wanted {
            name: name.into(),
            dependencies: dependencies.iter().map(|name| (*name).into()).collect(),
            ..Wanted::default()
        }
    }

    #[test]
    fn dependencies_come_first_and_names_decide_ties() {
        let order = resolve(&[plugin("c", &[]), plugin("a", &["c"]), plugin("b", &[])]);
        assert_eq!(order.order, ["b", "c", "a"]);
        assert!(order.skipped.is_empty());
    }

    #[test]
    fn a_missing_plugin_skips_who_needs_it_and_nobody_else() {
        let order = resolve(&[plugin("a", &["nope"]), plugin("b", &["a"]), plugin("c", &[])]);
        assert_eq!(order.order, ["c"]);
        assert_eq!(order.skipped[0], ("a".into(), "it needs plugin `nope`, which is not there".into()));
        assert_eq!(order.skipped[1], ("b".into(), "it needs plugin `a`, which was skipped".into()));
    }

    #[test]
    fn a_cycle_is_named_and_skipped() {
        let order =
            resolve(&[plugin("a", &["b"]), plugin("b", &["a"]), plugin("c", &["a"]), plugin("d", &[])]);
        assert_eq!(order.order, ["d"]);
        assert_eq!(
            order.skipped[0],
            ("a".into(), "it stands in a cycle of dependencies: `a` -> `b` -> `a`".into())
        );
        assert!(order.skipped[2].1.contains("it needs a plugin that stands in a cycle"), "{order:?}");
    }

    #[test]
    fn services_order_plugins_and_optional_ones_never_stop_them() {
        let user = Wanted { name: "a".into(), requires: vec!["pricing".into()], ..Wanted::default() };
        let wisher = Wanted {
            name: "b".into(),
            optional_requires: vec!["pricing".into(), "none".into()],
            ..Wanted::default()
        };
        let giver = Wanted { name: "z".into(), provides: vec!["pricing".into()], ..Wanted::default() };
        assert_eq!(resolve(&[user.clone(), wisher.clone(), giver]).order, ["z", "a", "b"]);
        let order = resolve(&[user, wisher]);
        assert_eq!(order.order, ["b"]);
        assert_eq!(order.skipped[0].1, "it requires service `pricing`, which no running plugin provides");
    }

    #[test]
    fn a_cycle_of_wishes_is_no_cycle() {
        let one = Wanted {
            name: "a".into(),
            provides: vec!["x".into()],
            optional_requires: vec!["y".into()],
            ..Wanted::default()
        };
        let two = Wanted {
            name: "b".into(),
            provides: vec!["y".into()],
            optional_requires: vec!["x".into()],
            ..Wanted::default()
        };
        assert_eq!(resolve(&[one, two]).order, ["a", "b"]);
    }

    #[test]
    fn a_version_that_will_not_do_and_a_plugin_that_is_off_are_said() {
        let old = Wanted { version: "1.0.0".into(), ..plugin("old", &[]) };
        let order = resolve(&[old.clone(), plugin("a", &["old >=2"]), plugin("b", &["old >=1, <2"])]);
        assert_eq!(order.order, ["old", "b"]);
        assert_eq!(order.skipped, [("a".into(), "it needs plugin `old` >=2, and `1.0.0` is there".into())]);
        let off = BTreeMap::from([("off".to_owned(), "named in `disabled_plugins`".to_owned())]);
        let order = super::resolve(&[plugin("a", &["off"])], &off);
        assert_eq!(
            order.skipped[0].1,
            "it needs plugin `off`, which does not run: named in `disabled_plugins`"
        );
    }
}

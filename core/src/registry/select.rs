//! Which of the discovered plugins may run.

use crate::settings::PluginSettings;

/// Why each name is in or out.
#[derive(Debug, Default, PartialEq)]
pub struct Selection {
    /// Names that may run, in the given order.
    pub enabled: Vec<String>,
    /// Names that are off, with the reason.
    pub disabled: Vec<(String, String)>,
    /// Contradictions and names that do not exist.
    pub warnings: Vec<String>,
}

/// Applies `enable_plugins`, `enabled_plugins`, `disabled_plugins` and `plugins.<name>.enabled`.
/// Off wins over on.
pub fn select(names: &[String], settings: &PluginSettings) -> Selection {
    let mut selection = Selection::default();
    for name in names {
        match reason_off(name, settings) {
            Some(reason) => selection.disabled.push((name.clone(), reason.to_owned())),
            None => selection.enabled.push(name.clone()),
        }
        if settings.enabled.contains(name) && settings.disabled.contains(name) {
            selection.warnings.push(format!(
                "plugin `{name}` is in `enabled_plugins` and in `disabled_plugins`: it is off"
            ));
        }
    }
    for (list, listed) in [("enabled_plugins", &settings.enabled), ("disabled_plugins", &settings.disabled)] {
        for name in listed.iter().filter(|name| !names.contains(name)) {
            selection.warnings.push(format!(
                "`{list}` names `{name}`, but there is no such plugin{}",
                nearest(name, names)
            ));
        }
    }
    for (name, table) in settings.tables.iter().filter(|(name, _)| !names.contains(name)) {
        let hint = nearest(name, names);
        selection
            .warnings
            .push(format!("{}: `plugins.{name}` is for no plugin that there is{hint}", table.origin));
    }
    selection
}

fn reason_off(name: &String, settings: &PluginSettings) -> Option<&'static str> {
    if !settings.enable {
        return Some("`enable_plugins` is false");
    }
    if settings.disabled.contains(name) {
        return Some("it is in `disabled_plugins`");
    }
    if settings.switched_off(name) {
        return Some("its `enabled` is false");
    }
    (!settings.enabled.is_empty() && !settings.enabled.contains(name))
        .then_some("it is not in `enabled_plugins`")
}

/// `; did you mean ...?`, or nothing.
pub(super) fn nearest(name: &str, names: &[String]) -> String {
    names
        .iter()
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.5)
        .map_or_else(String::new, |(_, known)| format!("; did you mean `{known}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Node, Origin};
    use serde_json::json;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    fn settings() -> PluginSettings {
        PluginSettings { enable: true, ..PluginSettings::default() }
    }

    #[test]
    fn everything_runs_unless_told_otherwise() {
        let selection = select(&names(&["a", "b"]), &settings());
        assert_eq!(selection.enabled, ["a", "b"]);
        assert!(selection.warnings.is_empty());
    }

    #[test]
    fn a_plugin_in_both_lists_is_off_and_a_warning_says_so() {
        let settings = PluginSettings { enabled: names(&["a", "b"]), disabled: names(&["a"]), ..settings() };
        let selection = select(&names(&["a", "b", "c"]), &settings);
        assert_eq!(selection.enabled, ["b"]);
        assert_eq!(selection.disabled[0], ("a".into(), "it is in `disabled_plugins`".into()));
        assert_eq!(selection.disabled[1], ("c".into(), "it is not in `enabled_plugins`".into()));
        assert!(selection.warnings[0].contains("it is off"), "{:?}", selection.warnings);
    }

    #[test]
    fn its_own_table_and_the_main_switch_turn_a_plugin_off() {
        let tables = [("a".to_owned(), Node::of(&json!({ "enabled": false }), &Origin::Default))]
            .into_iter()
            .collect();
        assert_eq!(select(&names(&["a", "b"]), &PluginSettings { tables, ..settings() }).enabled, ["b"]);
        let off = PluginSettings { enable: false, ..settings() };
        assert!(select(&names(&["a"]), &off).enabled.is_empty());
    }

    #[test]
    fn a_name_that_does_not_exist_is_warned_about_with_the_nearest() {
        let settings = PluginSettings { disabled: names(&["acess_log"]), ..settings() };
        let selection = select(&names(&["access_log"]), &settings);
        assert!(selection.warnings[0].contains("did you mean `access_log`?"), "{:?}", selection.warnings);
    }
}

//! The operator's own rules about tools, for when no plugin decides: what is not allowed is denied.

use ccproxy_core::approval::{Approval, Ask, Decision};
use ccproxy_core::step::BoxFuture;
use serde_json::Value;

/// Where a tool's most telling argument stands.
const TELLING: [&str; 7] = ["command", "file_path", "notebook_path", "path", "url", "pattern", "query"];
/// What joins commands of a shell, so that an allowed one could carry another.
const JOINTS: [char; 9] = [';', '&', '|', '`', '$', '<', '>', '\n', '\r'];

/// What is allowed.
pub(super) struct Rules(Vec<Rule>);

struct Rule {
    tool: String,
    argument: Option<String>,
}

impl Rules {
    /// `Read`, `mcp__github__*`, `Bash(git log *)`; or which of them is none.
    pub(super) fn read(written: &[String]) -> Result<Self, String> {
        written.iter().map(|rule| Rule::read(rule)).collect::<Result<_, _>>().map(Rules)
    }

    fn allow(&self, tool: &str, input: &Value) -> bool {
        self.0.iter().any(|rule| rule.allows(tool, input))
    }
}

impl Rule {
    fn read(written: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`plugins.claude_sdk.allow`: `{written}` is neither `Tool` nor `Tool(argument)`: write `Read` or `Bash(git log *)`"
            )
        };
        let (tool, argument) = match written.split_once('(') {
            Some((tool, rest)) => (tool, Some(rest.strip_suffix(')').ok_or_else(wrong)?.to_owned())),
            None => (written, None),
        };
        let tool = tool.trim();
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-*".contains(letter);
        if tool.is_empty() || !tool.chars().all(plain) {
            return Err(wrong());
        }
        Ok(Rule { tool: tool.to_owned(), argument })
    }

    fn allows(&self, tool: &str, input: &Value) -> bool {
        if !matches(&self.tool, tool) {
            return false;
        }
        let Some(pattern) = &self.argument else { return true };
        let told = TELLING.iter().find_map(|key| input.get(key)?.as_str());
        let Some(argument) = told else { return false };
        if input.get("command").is_some() && argument.contains(JOINTS) && pattern != argument {
            return false;
        }
        // `/srv/*` must not let `/srv/../etc/passwd` pass.
        if argument.split(['/', '\\']).any(|part| part == "..") && pattern != argument {
            return false;
        }
        matches(pattern, argument)
    }
}

/// Whether a text matches a pattern, in which `*` stands for any characters. Linear in practice: the last star wins.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, t) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

impl Approval for Rules {
    fn check<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Decision> {
        let decision = match self.allow(&ask.tool, &ask.input) {
            true => Decision::Allow { input: None },
            false => Decision::deny(format!(
                "the operator of this proxy does not allow this call of `{}`",
                ask.tool
            )),
        };
        Box::pin(std::future::ready(decision))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_allowed_passes() {
        let rules = ["Read(/srv/*)", "Bash(git log*)", "Glob", "mcp__github__*"].map(String::from);
        let rules = Rules::read(&rules).expect("rules");
        for (tool, input, allowed) in [
            ("Read", json!({"file_path": "/srv/a.txt"}), true),
            ("Read", json!({"file_path": "/srv/../etc/passwd"}), false),
            ("Read", json!({"file_path": "/etc/passwd"}), false),
            ("Read", json!({}), false),
            ("Bash", json!({"command": "git log -3"}), true),
            ("Bash", json!({"command": "git log; rm -rf /"}), false),
            ("Bash", json!({"command": "git log $(id)"}), false),
            ("Bash", json!({"command": "git push"}), false),
            ("Glob", json!({}), true),
            ("Globe", json!({}), false),
            ("mcp__github__list", json!({}), true),
            ("Write", json!({"file_path": "/srv/a.txt"}), false),
        ] {
            assert_eq!(rules.allow(tool, &input), allowed, "{tool} {input}");
        }
        assert!(!Rules::read(&[]).expect("none").allow("Read", &json!({})));
        for wrong in ["", "Bash(x", "Ba sh", "(x)"] {
            assert!(Rules::read(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}

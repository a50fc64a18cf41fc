//! ccproxy with nothing but the provider, or with two small header plugins.

use std::fs;

use super::Stage;
use crate::Outcome;

/// Three reads and one set, as a team's request labels would be.
const LABEL: &str = r#"return {
  name = "label", version = "1.0.0", description = "Labels requests with the caller's team",
  middleware = {
    { layer = "transformation",
      request = function(req)
        local headers = req.headers
        local team = headers["x-team"] or "none"
        local app = headers["x-app"] or "none"
        local version = headers["anthropic-version"] or "none"
        headers["x-label"] = team .. "/" .. app .. "/" .. version
      end },
  },
}
"#;

/// One read and one set on the way back.
const STAMP: &str = r#"return {
  name = "stamp", version = "1.0.0", description = "Stamps answers with the upstream's request id",
  middleware = {
    { layer = "observability",
      response = function(req, res)
        res.headers["x-stamp"] = res.headers["request-id"] or "none"
      end },
  },
}
"#;

pub(super) fn command(stage: &Stage<'_>, port: u16, lua: bool) -> Outcome<Vec<String>> {
    let folder = stage.folder.join(if lua { "ccproxy-lua" } else { "ccproxy" });
    fs::create_dir_all(folder.join("scripts"))?;
    let mut enabled = vec!["claude_api"];
    if lua {
        for (name, text) in [("label", LABEL), ("stamp", STAMP)] {
            fs::create_dir_all(folder.join("scripts").join(name))?;
            fs::write(folder.join("scripts").join(name).join("plugin.lua"), text)?;
            enabled.push(name);
        }
    }
    let config = folder.join("config.toml");
    let scripts = folder.join("scripts").display().to_string();
    let text = format!(
        "enabled_plugins = {enabled:?}\n[plugin_discovery]\ndirectories = [{scripts:?}]\n[logging]\nlevel = \"warn\"\n[plugins.claude_api]\nbase_url = \"http://127.0.0.1:{}\"\n",
        stage.upstream
    );
    fs::write(&config, text)?;
    let words = ["serve", "--port", &port.to_string(), "--config"].map(str::to_owned);
    let mut command = vec![stage.ccproxy.display().to_string()];
    command.extend(words);
    command.push(config.display().to_string());
    Ok(command)
}

//! The models that the CLI offers, as it told them when a process was set up.

use serde_json::{Value, json};

/// What every version of the CLI takes, for before it was asked.
const ALIASES: [(&str, &str); 4] =
    [("default", "Default"), ("opus", "Opus"), ("sonnet", "Sonnet"), ("haiku", "Haiku")];

/// As the Messages API lists models.
pub(super) fn list(told: Option<&Value>) -> Value {
    let told = told.and_then(Value::as_array).map(|models| {
        let pairs = models.iter().filter_map(|model| {
            let id = model["value"].as_str()?;
            Some(entry(id, model["displayName"].as_str().unwrap_or(id)))
        });
        pairs.collect::<Vec<_>>()
    });
    let data = told.filter(|models| !models.is_empty());
    let data = data.unwrap_or_else(|| ALIASES.iter().map(|(id, name)| entry(id, name)).collect());
    json!({
        "object": "list", "has_more": false, "first_id": data.first().map(|model| &model["id"]),
        "last_id": data.last().map(|model| &model["id"]), "data": data,
    })
}

/// For clients of either vendor.
fn entry(id: &str, name: &str) -> Value {
    json!({
        "type": "model", "id": id, "display_name": name, "created_at": "1970-01-01T00:00:00Z",
        "object": "model", "created": 0, "owned_by": "anthropic",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_what_the_cli_told() {
        let told = json!([{"value": "opus[1m]", "displayName": "Opus (1M)"}, {"odd": true}]);
        let listed = list(Some(&told));
        assert_eq!((&listed["data"][0]["id"], &listed["data"][1]), (&json!("opus[1m]"), &Value::Null));
        assert_eq!(list(None)["first_id"], "default");
        assert_eq!(list(Some(&json!([])))["last_id"], "haiku");
    }
}

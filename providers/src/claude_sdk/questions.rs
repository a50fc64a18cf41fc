//! What the CLI asks in the middle of its work: messages to the client's tools, and whether its own may run.

use ccproxy_core::approval::{Approval, Ask, Decision};
use serde_json::{Value, json};

use super::actor::Actor;
use super::failure::Failure;
use super::{mcp, protocol};

/// Calls and decisions that are remembered at once.
const REMEMBERED: usize = 1000;

/// A decision about a tool, and who asked for it.
pub(super) struct Decided {
    request: String,
    tool_use_id: String,
    hook: bool,
    input: Value,
    decision: Decision,
}

impl Actor {
    /// Answers a question, or sees to it that it will be.
    pub(super) async fn control(&mut self, id: String, mut request: Value) -> Result<(), Failure> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match request["subtype"].as_str().unwrap_or_default() {
            "mcp_message" if request["server_name"] == protocol::SERVER => {
                match mcp::ask(&request["message"], &self.tools) {
                    mcp::Asked::Answer(answer) => self.say(&protocol::answer(&id, answer)).await,
                    mcp::Asked::Call { tool_use_id, id: message } => {
                        if let Some(block) = self.results.remove(&tool_use_id) {
                            return self.say(&protocol::answer(&id, mcp::called(&message, &block))).await;
                        }
                        if self.calls.len() < REMEMBERED {
                            self.calls.insert(tool_use_id, (id, message));
                        }
                        Ok(())
                    }
                }
            }
            "can_use_tool" => {
                let (tool, call) = (text(&request["tool_name"]), text(&request["tool_use_id"]));
                self.ask(id, tool, call, protocol::take(&mut request, "input"), false).await
            }
            "hook_callback" => {
                let mut input = protocol::take(&mut request, "input");
                let (tool, call) = (text(&input["tool_name"]), text(&input["tool_use_id"]));
                let arguments = protocol::take(&mut input, "tool_input");
                self.ask(id, tool, call, arguments, true).await
            }
            other => self.say(&protocol::refuse(&id, &format!("`{other}` is not known here"))).await,
        }
    }

    /// Lets somebody decide about a tool, unless that is clear. The client's tools run at the client.
    async fn ask(
        &mut self,
        request: String,
        tool: String,
        call: String,
        input: Value,
        hook: bool,
    ) -> Result<(), Failure> {
        let decided =
            Decided { request, tool_use_id: call, hook, input, decision: Decision::Allow { input: None } };
        if mcp::outer_name(&tool).is_some() {
            return self.tell_decision(decided).await;
        }
        if let Some(decision) = self.decided.get(&decided.tool_use_id).cloned() {
            return self.tell_decision(Decided { decision, ..decided }).await;
        }
        if self.asking.len() >= REMEMBERED {
            let decision = Decision::deny("too many tools wait for a decision");
            return self.tell_decision(Decided { decision, ..decided }).await;
        }
        let session = match (&self.session.name, &self.session.facts.lock().id) {
            (Some(name), _) => name.clone(),
            (None, id) => id.clone().unwrap_or_default(),
        };
        let client = self.session.client.to_string();
        let ask = Ask { tool, input: decided.input.clone(), session, client, path: self.path.to_string() };
        let approver = self.pool.approver.clone();
        let request = decided.request.clone();
        let task = self.asking.spawn(async move {
            let decision = approver.check(&ask).await;
            Decided { decision, ..decided }
        });
        self.asked.insert(request, task);
        Ok(())
    }

    pub(super) async fn tell_decision(&mut self, decided: Decided) -> Result<(), Failure> {
        let Decided { request, tool_use_id, hook, input, decision } = decided;
        self.asked.remove(&request);
        let answer = match (hook, &decision) {
            (true, Decision::Allow { input: edited }) => {
                let mut told = json!({"hookEventName": "PreToolUse", "permissionDecision": "allow"});
                if let Some(edited) = edited {
                    told["updatedInput"] = edited.clone();
                }
                json!({ "hookSpecificOutput": told })
            }
            (true, Decision::Deny { message }) => json!({"hookSpecificOutput": {
                "hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": message,
            }}),
            (false, Decision::Allow { input: edited }) => {
                json!({"behavior": "allow", "updatedInput": edited.clone().unwrap_or(input)})
            }
            (false, Decision::Deny { message }) => json!({"behavior": "deny", "message": message}),
        };
        if !tool_use_id.is_empty() && self.decided.len() < REMEMBERED {
            self.decided.insert(tool_use_id, decision);
        }
        self.say(&protocol::answer(&request, answer)).await
    }
}

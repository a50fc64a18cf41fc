// A task for the Claude Agent SDK, with the proxy as its API and as its permission prompt: the argument is the
// prompt tool's URL. Prints the results of tools and the last word as JSON.
import { query } from "@anthropic-ai/claude-agent-sdk";

const [url] = process.argv.slice(2);
const results = [];
let last = null;
const options = {
  mcpServers: { px: { type: "http", url } },
  permissionPromptToolName: "mcp__px__check_permission",
  permissionMode: "default",
  settingSources: [],
  tools: ["Bash"],
  maxTurns: 4,
};
for await (const message of query({ prompt: "make a file", options })) {
  if (message.type === "user" && Array.isArray(message.message.content)) {
    for (const block of message.message.content) {
      if (block.type === "tool_result") results.push({ content: block.content, is_error: block.is_error ?? false });
    }
  }
  if (message.type === "result") last = message;
}
console.log(JSON.stringify({ results, result: last.result, is_error: last.is_error, denials: last.permission_denials }));

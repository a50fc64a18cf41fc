// Scenes with the Anthropic SDK, named by the arguments; prints what came of each as a JSON list.
import Anthropic from "@anthropic-ai/sdk";

const hello = [{ role: "user", content: "hello" }];
const tool = {
  name: "weather",
  description: "Tells the weather",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};
const pixel =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const base = { model: "claude-opus-5-5", max_tokens: 100, messages: hello };
const text = (message) => message.content.filter((block) => block.type === "text").map((block) => block.text).join("");

async function failure(client) {
  try {
    await client.messages.create(base, { maxRetries: 0 });
  } catch (error) {
    return {
      error: error.constructor.name,
      status: error.status,
      message: error.error.error.message,
      request_id: error.requestID,
      retry_after: error.headers.get("retry-after"),
    };
  }
  return { error: null };
}

async function broken(client) {
  let got = "";
  try {
    // The way that loses errors which come together with events.
    for await (const event of client.messages.stream(base, { maxRetries: 0 })) {
      if (event.delta?.type === "text_delta") got += event.delta.text;
    }
  } catch (error) {
    return { error: error.constructor.name, text: got };
  }
  return { error: null, text: got };
}

async function times(count, client, scene) {
  const all = [];
  for (let n = 0; n < count; n++) all.push(await scene(client));
  return all;
}

const scenes = {
  async whole(client) {
    const { data, response } = await client.messages.create(base).withResponse();
    return {
      text: text(data),
      request_id: data._request_id,
      remaining: response.headers.get("anthropic-ratelimit-requests-remaining"),
    };
  },
  async stream(client) {
    const events = client.messages.stream(base);
    let pieces = 0;
    events.on("text", () => pieces++);
    const message = await events.finalMessage();
    return { text: text(message), pieces, output: message.usage.output_tokens };
  },
  async tools(client) {
    const ask = { ...base, tools: [tool], thinking: { type: "enabled", budget_tokens: 1024 }, max_tokens: 2000 };
    const first = await client.messages.stream(ask).finalMessage();
    const call = first.content.find((block) => block.type === "tool_use");
    const thinking = first.content.find((block) => block.type === "thinking");
    const result = { type: "tool_result", tool_use_id: call.id, content: "rain – ☔" };
    const messages = [...hello, { role: "assistant", content: first.content }, { role: "user", content: [result] }];
    const second = await client.messages.stream({ ...ask, messages }).finalMessage();
    return {
      text: text(second),
      input: call.input,
      signature: thinking.signature,
      thinking: thinking.thinking,
      reason: first.stop_reason,
    };
  },
  async others(client) {
    const image = { type: "image", source: { type: "base64", media_type: "image/png", data: pixel } };
    const messages = [{ role: "user", content: [{ type: "text", text: "what" }, image] }];
    const count = await client.messages.countTokens({ model: base.model, messages });
    const models = await client.models.list();
    const beta = await client.beta.messages.create({
      ...base,
      messages,
      betas: ["a-beta-2026-01-01"],
      a_key_nobody_knows: { x: [1.0, []] },
    });
    return { count: count.input_tokens, models: models.data.map((model) => model.id), text: text(beta) };
  },
  failures: (client) => times(4, client, failure),
  broken: (client) => times(5, client, broken),
  async leave(client) {
    for await (const event of await client.messages.create({ ...base, stream: true })) {
      if (event.delta?.type === "text_delta") return { text: event.delta.text };
    }
  },
};

const client = new Anthropic();
const said = [];
for (const scene of process.argv.slice(2)) said.push(await scenes[scene](client));
console.log(JSON.stringify(said));

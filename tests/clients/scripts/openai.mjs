// Scenes with the OpenAI SDK, named by the arguments; prints what came of each as a JSON list.
import OpenAI from "openai";

const schema = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const user = (content) => [{ role: "user", content }];
const chatTool = { type: "function", function: { name: "weather", description: "x", parameters: schema } };
const tool = { type: "function", name: "weather", description: "x", parameters: schema, strict: true };
const model = "mock";

const scenes = {
  async chat(client) {
    const answer = await client.chat.completions.create({ model, messages: user("hello") });
    return { text: answer.choices[0].message.content, total: answer.usage.total_tokens > 0 };
  },
  async chat_stream(client) {
    let text = "";
    let usage = null;
    const options = { model, messages: user("hello"), stream: true, stream_options: { include_usage: true } };
    for await (const chunk of await client.chat.completions.create(options)) {
      usage = chunk.usage ?? usage;
      text += chunk.choices.map((choice) => choice.delta.content ?? "").join("");
    }
    return { text, total: usage.total_tokens > 0 };
  },
  async chat_tools(client) {
    const messages = user("use the weather tool");
    const stream = client.chat.completions.stream({ model, messages, tools: [chatTool] });
    const first = (await stream.finalChatCompletion()).choices[0].message;
    const call = first.tool_calls[0];
    messages.push(first, { role: "tool", tool_call_id: call.id, content: "rain" });
    const second = await client.chat.completions.create({ model, messages, tools: [chatTool] });
    const city = JSON.parse(call.function.arguments).city !== "";
    return { tool: call.function.name, city, text: second.choices[0].message.content };
  },
  async responses(client) {
    const answer = await client.responses.create({ model, input: "hello" });
    return { text: answer.output_text, total: answer.usage.total_tokens > 0 };
  },
  async responses_stream(client) {
    let text = "";
    let last = null;
    for await (const event of await client.responses.create({ model, input: "hello", stream: true })) {
      if (event.type === "response.output_text.delta") text += event.delta;
      last = event.type;
    }
    return { text, last };
  },
  async responses_tools(client) {
    const input = user("use the weather tool");
    const first = await client.responses.stream({ model, input, tools: [tool] }).finalResponse();
    const call = first.output.find((item) => item.type === "function_call");
    input.push(...first.output.map(({ parsed_arguments, ...item }) => item));
    input.push({ type: "function_call_output", call_id: call.call_id, output: "rain" });
    const second = await client.responses.create({ model, input, tools: [tool] });
    return { tool: call.name, city: JSON.parse(call.arguments).city !== "", text: second.output_text };
  },
  async failure(client) {
    try {
      const messages = user("[mock status=429 retry-after=1]");
      await client.chat.completions.create({ model, messages }, { maxRetries: 0 });
    } catch (error) {
      return { error: error.constructor.name, status: error.status, retry_after: error.headers.get("retry-after") };
    }
    return { error: null };
  },
  async broken(client) {
    const cut = "[mock chunks=20 cut=6] hello";
    const errors = [];
    for (const attempt of [
      () => client.chat.completions.create({ model, messages: user(cut), stream: true }),
      () => client.responses.create({ model, input: cut, stream: true }),
    ]) {
      try {
        let last = null;
        for await (const event of await attempt()) last = event.type;
        errors.push(last === "error" || last === "response.failed" ? "an event" : null);
      } catch (error) {
        errors.push(error.constructor.name);
      }
    }
    return { errors };
  },
  async models(client) {
    return { models: (await client.models.list()).data.map((model) => model.id) };
  },
};

const client = new OpenAI();
const said = [];
for (const scene of process.argv.slice(2)) said.push(await scenes[scene](client));
console.log(JSON.stringify(said));

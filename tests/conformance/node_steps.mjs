// What the tests ask the official Node client to do: the same steps as python_steps.py.
//   echo '{"url", "key", "options", "asked"}' | node node_steps.mjs PACKAGE STEP      prints one JSON value
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, step] = process.argv.slice(2);
const { default: OpenAI } = await import(pathToFileURL(`${folder}/index.mjs`));
const { url, key, options, asked } = JSON.parse(readFileSync(0, "utf8"));

let attempts = 0;
const counted = (...request) => {
  attempts += 1; // and changes nothing
  return fetch(...request);
};
const { timeout, max_retries: maxRetries } = options;
const client = new OpenAI({
  baseURL: `${url}/v1`,
  apiKey: key,
  fetch: counted,
  ...(timeout === undefined ? {} : { timeout: timeout * 1000 }),
  ...(maxRetries === undefined ? {} : { maxRetries }),
});

const TOOLS = [
  {
    type: "function",
    function: {
      name: "look",
      strict: true,
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];
const SCHEMA = {
  type: "json_schema",
  json_schema: { name: "City", schema: { type: "object", properties: { city: { type: "string" } } } },
};
const calls = (message) => (message.tool_calls ?? []).map((call) => [call.function.name, call.function.arguments]);

async function chat(asked) {
  const answer = await client.chat.completions.create(asked);
  const [choice] = answer.choices;
  return {
    id: answer.id,
    model: answer.model,
    text: choice.message.content,
    finish: choice.finish_reason,
    tokens: answer.usage.total_tokens,
    calls: calls(choice.message),
  };
}

const STEPS = {
  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    return ids;
  },
  chat,
  async stream(asked) {
    const chunks = [];
    for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) chunks.push(chunk);
    return {
      ids: [...new Set(chunks.map((chunk) => chunk.id))],
      models: [...new Set(chunks.map((chunk) => chunk.model))],
      text: chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta.content ?? "")).join(""),
      usages: chunks.filter((chunk) => chunk.usage).map((chunk) => chunk.usage.total_tokens),
      empty: chunks.filter((chunk) => chunk.choices.length === 0).length,
    };
  },
  async gathered(asked) {
    const whole = await client.chat.completions.stream({ ...asked, tools: TOOLS }).finalChatCompletion();
    const [choice] = whole.choices;
    return { text: choice.message.content, finish: choice.finish_reason, calls: calls(choice.message) };
  },
  tools: (asked) => chat({ ...asked, tools: TOOLS, tool_choice: "auto", parallel_tool_calls: false }),
  async schema(asked) {
    const answer = await client.chat.completions.create({ ...asked, response_format: SCHEMA });
    return JSON.parse(answer.choices[0].message.content);
  },
  async embeddings(asked) {
    const answer = await client.embeddings.create(asked);
    return {
      vectors: answer.data.map((one) => Array.from(one.embedding)),
      model: answer.model,
      tokens: answer.usage.total_tokens,
    };
  },
  async abort(asked) {
    const stream = await client.chat.completions.create({ ...asked, stream: true });
    let text = "";
    for await (const chunk of stream) {
      text += chunk.choices[0].delta.content ?? "";
      if (text) break;
    }
    stream.controller.abort();
    return { text };
  },
};

async function outcome() {
  try {
    return await STEPS[step](asked);
  } catch (fault) {
    if (!(fault instanceof OpenAI.APIError)) throw fault;
    const { status = null, code = null, param = null, type = null, message } = fault;
    const headers = Object.fromEntries(fault.headers ?? []);
    return { error: fault.constructor.name, status, code, param, type, message, headers, attempts };
  }
}
console.log(JSON.stringify(await outcome()));

// The official OpenAI SDK for Node, through Postern: only the base URL and the key differ.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI, { toFile } from "openai";
import {
  Arrivals,
  BASE_URL,
  BINARY,
  GREETING,
  HELLO,
  LONG,
  PLACEHOLDER,
  UNKNOWN_PLACEHOLDER,
  activeStreams,
  baseOf,
  idle,
  refusal,
} from "./suite.mjs";

const WEATHER = [{ role: "user", content: "What is the weather in Paris?" }];
const TOOL = {
  type: "function",
  function: {
    name: "weather",
    parameters: { type: "object", properties: { city: { type: "string" }, unit: { type: "string" } } },
  },
};
const CALLED_WITH = { city: "Paris", unit: "celsius" };

const client = (options = {}) =>
  new OpenAI({
    baseURL: `${baseOf("openai")}/v1`,
    apiKey: PLACEHOLDER,
    maxRetries: 0,
    timeout: 60_000,
    ...options,
  });

test("a plain call is answered", async () => {
  const completion = await client().chat.completions.create({ model: "sample", messages: HELLO });
  assert.equal(completion.choices[0].message.content, GREETING);
});

test("the address without an agent serves as well", async () => {
  const bare = client({ baseURL: `${BASE_URL}/api/proxy/openai/v1` });
  const completion = await bare.chat.completions.create({ model: "sample", messages: HELLO });
  assert.equal(completion.choices[0].message.content, GREETING);
});

test("a streamed call arrives as it is sent", async () => {
  const arrivals = new Arrivals();
  for await (const chunk of await client().chat.completions.create({
    model: "sample-long",
    messages: HELLO,
    stream: true,
  })) {
    if (chunk.choices[0].delta.content) {
      arrivals.add(chunk.choices[0].delta.content);
    }
  }
  arrivals.assertAsSent(LONG);
});

test("a tool call goes there and back", async () => {
  const own = client();
  const asked = await own.chat.completions.create({ model: "sample", messages: WEATHER, tools: [TOOL] });
  assert.equal(asked.choices[0].finish_reason, "tool_calls");
  const call = asked.choices[0].message.tool_calls[0];
  assert.equal(call.function.name, "weather");
  assert.deepEqual(JSON.parse(call.function.arguments), CALLED_WITH);
  const result = { role: "tool", tool_call_id: call.id, content: "21 degrees" };
  const messages = [...WEATHER, asked.choices[0].message, result];
  const told = await own.chat.completions.create({ model: "sample", messages, tools: [TOOL] });
  assert.equal(told.choices[0].message.content, "The tool answered: 21 degrees");
});

test("a streamed tool call goes there and back, the tool being run by the SDK", async () => {
  const given = [];
  const run = (args) => {
    given.push(args);
    return "21 degrees";
  };
  const tool = { type: "function", function: { ...TOOL.function, function: run, parse: JSON.parse } };
  const runner = client().chat.completions.runTools({
    model: "sample",
    messages: WEATHER,
    stream: true,
    tools: [tool],
  });
  assert.equal(await runner.finalContent(), "The tool answered: 21 degrees");
  assert.deepEqual(given, [CALLED_WITH]);
});

test("a file goes up and comes down byte for byte", async () => {
  const own = client();
  const sent = await own.files.create({ file: await toFile(BINARY, "all bytes.bin"), purpose: "user_data" });
  assert.deepEqual([sent.bytes, sent.filename, sent.purpose], [BINARY.length, "all bytes.bin", "user_data"]);
  const back = Buffer.from(await (await own.files.content(sent.id)).arrayBuffer());
  assert.ok(back.equals(BINARY), `${back.length} bytes came back, and not those that were sent`);
});

test("files are listed in pages", async () => {
  const own = client();
  const sent = [];
  for (const number of [1, 2, 3]) {
    const file = await toFile(Buffer.from("text"), `${number}.txt`);
    sent.push((await own.files.create({ file, purpose: "user_data" })).id);
  }
  const page = await own.files.list({ limit: 2 });
  const listed = [];
  for await (const file of page) {
    listed.push(file.id);
  }
  assert.ok(listed.length > page.data.length);
  assert.deepEqual(
    listed.filter((id) => sent.includes(id)),
    sent,
  );
});

test("the provider's rate limit arrives with its headers", async () => {
  const call = client().chat.completions.create({ model: "sample-429", messages: HELLO });
  const error = await refusal(call, OpenAI.RateLimitError);
  assert.equal(error.code, "rate_limit_exceeded");
  assert.equal(error.headers.get("retry-after"), "1");
  assert.equal(error.headers.get("x-ratelimit-remaining-requests"), "0");
  assert.equal(error.requestID, "req_sample_429");
  assert.equal(error.headers.get("x-postern-error"), null);
});

test("the provider's errors arrive as they were written", async () => {
  for (const [status, kind, code, message] of [
    [400, OpenAI.BadRequestError, "context_length_exceeded", "This model's maximum context length is 8 tokens."],
    [401, OpenAI.AuthenticationError, "organization_unverified", "Your organization must be verified."],
    [500, OpenAI.InternalServerError, null, "The server had an error."],
  ]) {
    for (const stream of [false, true]) {
      const call = client().chat.completions.create({ model: `sample-${status}`, messages: HELLO, stream });
      const error = await refusal(call, kind);
      assert.deepEqual([error.code, error.error.message], [code, message]);
      assert.equal(error.headers.get("x-postern-error"), null);
    }
  }
});

test("the provider is let go when the client hangs up", async () => {
  await idle();
  const stream = await client().chat.completions.create({ model: "sample-endless", messages: HELLO, stream: true });
  let pieces = 0;
  for await (const _ of stream) {
    if (++pieces === 3) {
      assert.equal(await activeStreams(), 1);
      break;
    }
  }
  await idle();
});

test("Postern's own refusal is an authentication error", async () => {
  const stranger = client({ apiKey: UNKNOWN_PLACEHOLDER });
  const call = stranger.chat.completions.create({ model: "sample", messages: HELLO });
  const error = await refusal(call, OpenAI.AuthenticationError);
  assert.equal(error.code, "unauthorized");
  assert.ok(error.error.message && error.error.request_id);
  assert.equal(error.headers.get("x-postern-error"), "unauthorized");
});

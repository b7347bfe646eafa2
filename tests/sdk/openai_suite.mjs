// The official OpenAI SDK for Node, through Postern: only the base URL and the key differ.

import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import OpenAI, { toFile } from "openai";

const { POSTERN_BASE_URL, POSTERN_PLACEHOLDER, SAMPLE_URL } = process.env;
const BETWEEN_PIECES = 60;
const GREETING = "Hello from the sample provider.";
const HELLO = [{ role: "user", content: "hello" }];
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
    baseURL: `${POSTERN_BASE_URL}/api/proxy/openai/a/agent-a/v1`,
    apiKey: POSTERN_PLACEHOLDER,
    maxRetries: 0,
    timeout: 60_000,
    ...options,
  });

const activeStreams = async () => (await (await fetch(`${SAMPLE_URL}/sample/state`)).json()).active;

/** Returns when the sample provider is rid of its streams, and fails if that takes too long. */
const idle = async () => {
  const until = performance.now() + 30_000;
  while ((await activeStreams()) > 0) {
    assert.ok(performance.now() < until, "a stream goes on without a reader");
    await pause(50);
  }
};

/** The error of this class that a call ends with. */
const refusal = async (call, kind) => {
  const error = await call.then(
    () => assert.fail("it was answered"),
    (error) => error,
  );
  assert.ok(error instanceof kind, String(error));
  return error;
};

test("a plain call is answered", async () => {
  const completion = await client().chat.completions.create({ model: "sample", messages: HELLO });
  assert.equal(completion.choices[0].message.content, GREETING);
});

test("the address without an agent serves as well", async () => {
  const bare = client({ baseURL: `${POSTERN_BASE_URL}/api/proxy/openai/v1` });
  const completion = await bare.chat.completions.create({ model: "sample", messages: HELLO });
  assert.equal(completion.choices[0].message.content, GREETING);
});

test("a streamed call arrives as it is sent", async () => {
  const texts = [];
  const times = [];
  for await (const chunk of await client().chat.completions.create({
    model: "sample-long",
    messages: HELLO,
    stream: true,
  })) {
    if (chunk.choices[0].delta.content) {
      texts.push(chunk.choices[0].delta.content);
      times.push(performance.now());
    }
  }
  assert.equal(texts.join(""), Array(7).fill(GREETING).join(" "));
  // A buffer would have given them all at once.
  assert.ok(texts.length > 20);
  assert.ok(times.at(-1) - times[0] > (BETWEEN_PIECES * (times.length - 1)) / 6, String(times));
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
  const bytes = Buffer.concat([Buffer.from([...Array(256).keys()]), randomBytes(300_000), Buffer.from("\r\n--\r\n\0")]);
  const own = client();
  const sent = await own.files.create({ file: await toFile(bytes, "all bytes.bin"), purpose: "user_data" });
  assert.deepEqual([sent.bytes, sent.filename, sent.purpose], [bytes.length, "all bytes.bin", "user_data"]);
  const back = Buffer.from(await (await own.files.content(sent.id)).arrayBuffer());
  assert.ok(back.equals(bytes), `${back.length} bytes came back, and not those that were sent`);
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

test("the provider's error arrives as it was written", async () => {
  for (const stream of [false, true]) {
    const call = client().chat.completions.create({ model: "sample-400", messages: HELLO, stream });
    const error = await refusal(call, OpenAI.BadRequestError);
    assert.deepEqual([error.code, error.param], ["context_length_exceeded", "messages"]);
    assert.equal(error.error.message, "This model's maximum context length is 8 tokens.");
    assert.equal(error.headers.get("x-postern-error"), null);
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
  const stranger = client({ apiKey: `postern_secret_${randomUUID()}` });
  const call = stranger.chat.completions.create({ model: "sample", messages: HELLO });
  const error = await refusal(call, OpenAI.AuthenticationError);
  assert.equal(error.code, "unauthorized");
  assert.ok(error.error.message && error.error.request_id);
  assert.equal(error.headers.get("x-postern-error"), "unauthorized");
});

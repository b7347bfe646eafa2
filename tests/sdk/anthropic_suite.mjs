// The official Anthropic SDK for Node, through Postern: only the base URL and the key differ.

import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic, { toFile } from "@anthropic-ai/sdk";
import {
  Arrivals,
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
  name: "weather",
  input_schema: { type: "object", properties: { city: { type: "string" }, unit: { type: "string" } } },
};

const client = (options = {}) =>
  new Anthropic({ baseURL: baseOf("anthropic"), apiKey: PLACEHOLDER, maxRetries: 0, timeout: 60_000, ...options });

const request = (model = "sample", more = {}) => ({ model, max_tokens: 64, messages: HELLO, ...more });

test("a plain call is answered", async () => {
  const message = await client().messages.create(request());
  assert.deepEqual([message.content[0].text, message.stop_reason], [GREETING, "end_turn"]);
});

test("a placeholder as an auth token serves as well", async () => {
  const bearer = client({ apiKey: null, authToken: PLACEHOLDER });
  assert.equal((await bearer.messages.create(request())).content[0].text, GREETING);
});

test("a login of the client's own beside the placeholder is dropped", async () => {
  const own = { apiKey: null, authToken: "sk-ant-oat01-of-the-clients-own" };
  const both = client({ ...own, defaultHeaders: { "x-api-key": PLACEHOLDER } });
  assert.equal((await both.messages.create(request())).content[0].text, GREETING);
});

test("a streamed call arrives as it is sent", async () => {
  const arrivals = new Arrivals();
  const stream = client().messages.stream(request("sample-long"));
  stream.on("text", (text) => arrivals.add(text));
  assert.equal(await stream.finalText(), LONG);
  arrivals.assertAsSent(LONG);
});

test("a tool call goes there and back", async () => {
  const own = client();
  const asked = await own.messages.create(request("sample", { messages: WEATHER, tools: [TOOL] }));
  assert.equal(asked.stop_reason, "tool_use");
  assert.deepEqual(asked.content[0].input, { city: "Paris", unit: "celsius" });
  const result = { type: "tool_result", tool_use_id: asked.content[0].id, content: "21 degrees" };
  const messages = [
    ...WEATHER,
    { role: "assistant", content: asked.content },
    { role: "user", content: [result] },
  ];
  const told = await own.messages.create(request("sample", { messages, tools: [TOOL] }));
  assert.equal(told.content[0].text, "The tool answered: 21 degrees");
});

test("a file goes up and comes down byte for byte", async () => {
  const own = client();
  const sent = await own.beta.files.upload({ file: await toFile(BINARY, "all bytes.bin") });
  assert.deepEqual([sent.size_bytes, sent.filename], [BINARY.length, "all bytes.bin"]);
  const back = Buffer.from(await (await own.beta.files.download(sent.id)).arrayBuffer());
  assert.ok(back.equals(BINARY), `${back.length} bytes came back, and not those that were sent`);
});

test("models are listed in pages", async () => {
  const page = await client().models.list({ limit: 2 });
  assert.equal(page.data.length, 2);
  const listed = [];
  for await (const model of page) {
    listed.push(model.id);
  }
  assert.deepEqual(listed, ["sample-a", "sample-b", "sample-c"]);
});

test("the provider's errors arrive as they were written", async () => {
  for (const [status, kind, name] of [
    [400, Anthropic.BadRequestError, "invalid_request_error"],
    [401, Anthropic.AuthenticationError, "authentication_error"],
    [429, Anthropic.RateLimitError, "rate_limit_error"],
    [500, Anthropic.InternalServerError, "api_error"],
    [529, Anthropic.InternalServerError, "overloaded_error"],
  ]) {
    for (const stream of [false, true]) {
      const error = await refusal(client().messages.create({ ...request(`sample-${status}`), stream }), kind);
      assert.deepEqual([error.status, error.error.error.type], [status, name]);
      assert.equal(error.requestID, `req_sample_${status}`);
      assert.equal(error.headers.get("retry-after"), status === 429 ? "1" : null);
      assert.equal(error.headers.get("x-postern-error"), null);
    }
  }
});

test("the provider is let go when the client hangs up", async () => {
  await idle();
  const stream = await client().messages.create({ ...request("sample-endless"), stream: true });
  let pieces = 0;
  for await (const _ of stream) {
    if (++pieces === 5) {
      assert.equal(await activeStreams(), 1);
      break;
    }
  }
  await idle();
});

test("Postern's own refusal is an authentication error", async () => {
  const stranger = client({ apiKey: UNKNOWN_PLACEHOLDER });
  const error = await refusal(stranger.messages.create(request()), Anthropic.AuthenticationError);
  assert.equal(error.error.error.code, "unauthorized");
  assert.equal(error.headers.get("x-postern-error"), "unauthorized");
});

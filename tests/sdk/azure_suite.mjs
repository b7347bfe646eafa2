// The official OpenAI SDK for Node with Azure OpenAI, a provider of the organization's own, through Postern.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI, { AzureOpenAI } from "openai";
import { Arrivals, GREETING, HELLO, LONG, PLACEHOLDER, UNKNOWN_PLACEHOLDER, baseOf, refusal } from "./suite.mjs";

const client = (options = {}) =>
  new AzureOpenAI({
    endpoint: baseOf("our-azure"),
    apiKey: PLACEHOLDER,
    apiVersion: "2024-10-21",
    maxRetries: 0,
    timeout: 60_000,
    ...options,
  });

test("a plain call is answered", async () => {
  const completion = await client().chat.completions.create({ model: "sample", messages: HELLO });
  assert.equal(completion.choices[0].message.content, GREETING);
});

test("a placeholder as an access token serves as well", async () => {
  const bearer = client({ apiKey: undefined, azureADTokenProvider: async () => PLACEHOLDER });
  const completion = await bearer.chat.completions.create({ model: "sample", messages: HELLO });
  assert.equal(completion.choices[0].message.content, GREETING);
});

test("a streamed call arrives as it is sent", async () => {
  const arrivals = new Arrivals();
  const stream = await client().chat.completions.create({ model: "sample-long", messages: HELLO, stream: true });
  for await (const chunk of stream) {
    if (chunk.choices[0].delta.content) {
      arrivals.add(chunk.choices[0].delta.content);
    }
  }
  arrivals.assertAsSent(LONG);
});

test("the provider's errors arrive as they were written", async () => {
  for (const [status, kind, code] of [
    [400, OpenAI.BadRequestError, "context_length_exceeded"],
    [401, OpenAI.AuthenticationError, "organization_unverified"],
    [429, OpenAI.RateLimitError, "rate_limit_exceeded"],
    [500, OpenAI.InternalServerError, null],
  ]) {
    const error = await refusal(client().chat.completions.create({ model: `sample-${status}`, messages: HELLO }), kind);
    assert.equal(error.code, code);
    assert.equal(error.headers.get("retry-after"), status === 429 ? "1" : null);
    assert.equal(error.headers.get("x-postern-error"), null);
  }
});

test("Postern's own refusal is an authentication error", async () => {
  const stranger = client({ apiKey: UNKNOWN_PLACEHOLDER });
  const call = stranger.chat.completions.create({ model: "sample", messages: HELLO });
  assert.equal((await refusal(call, OpenAI.AuthenticationError)).code, "unauthorized");
});

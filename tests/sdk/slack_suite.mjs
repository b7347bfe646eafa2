// Slack's SDK for Node through Postern: only the base URL and the token differ.

import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { test } from "node:test";
import { LogLevel, WebClient } from "@slack/web-api";

const { POSTERN_BASE_URL, POSTERN_PLACEHOLDER } = process.env;

const client = (token = POSTERN_PLACEHOLDER) =>
  new WebClient(token, {
    slackApiUrl: `${POSTERN_BASE_URL}/api/proxy/slack/a/agent-a/api/`,
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    logLevel: LogLevel.ERROR,
  });

/** The error that a call ends with. */
const refusal = (call) =>
  call.then(
    () => assert.fail("it was answered"),
    (error) => error,
  );

test("a plain call is answered", async () => {
  assert.equal((await client().auth.test()).user_id, "U1");
  const posted = await client().chat.postMessage({ channel: "C1", text: "Grüße & more" });
  assert.equal(posted.message.text, "Grüße & more");
});

test("a list is read page by page", async () => {
  const channels = [];
  for await (const page of client().paginate("conversations.list", { limit: 2 })) {
    channels.push(...page.channels.map((channel) => channel.id));
  }
  assert.deepEqual(channels, ["C1", "C2", "C3", "C4", "C5"]);
});

test("a file goes up", async () => {
  // Slack names an address of another host, which takes the file without a token.
  const sent = await client().files.uploadV2({ channel_id: "C1", file: randomBytes(100_000), filename: "all bytes.bin" });
  assert.deepEqual([sent.files[0].files[0].id, sent.files[0].files[0].size], ["F1", 100_000]);
});

test("the provider's error arrives as it was written", async () => {
  const error = await refusal(client().chat.postMessage({ channel: "C-missing", text: "hello" }));
  assert.deepEqual([error.data.ok, error.data.error], [false, "channel_not_found"]);
});

test("the provider's rate limit arrives with its headers", async () => {
  const error = await refusal(client().chat.postMessage({ channel: "C-busy", text: "hello" }));
  assert.equal(error.retryAfter, 60);
});

test("Postern's own refusal is an error with its code", async () => {
  const error = await refusal(client(`postern_secret_${randomUUID()}`).auth.test());
  assert.match(error.message, /401/);
});

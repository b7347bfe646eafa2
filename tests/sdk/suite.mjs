// What the suites for Node share: where Postern is, and what the sample provider says of itself.

import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

const { POSTERN_BASE_URL, POSTERN_PLACEHOLDER, SAMPLE_URL } = process.env;
const BETWEEN_PIECES = 60;

export const BASE_URL = POSTERN_BASE_URL;
export const PLACEHOLDER = POSTERN_PLACEHOLDER;
export const UNKNOWN_PLACEHOLDER = `postern_secret_${randomUUID()}`;
export const GREETING = "Hello from the sample provider.";
export const LONG = Array(4).fill(GREETING).join(" ");
export const HELLO = [{ role: "user", content: "hello" }];

/** Every byte there is, then noise, then what would end a line or a part. */
export const BINARY = Buffer.concat([
  Buffer.from([...Array(256).keys()]),
  randomBytes(300_000),
  Buffer.from("\r\n--\r\n\0"),
]);

/** Where the agent reaches this provider. */
export const baseOf = (slug) => `${BASE_URL}/api/proxy/${slug}/a/agent-a`;

/** How many streams the sample provider is sending. */
export const activeStreams = async () => (await (await fetch(`${SAMPLE_URL}/sample/state`)).json()).active;

/** Returns when the sample provider is rid of its streams, and fails if that takes too long. */
export const idle = async () => {
  const until = performance.now() + 30_000;
  while ((await activeStreams()) > 0) {
    assert.ok(performance.now() < until, "a stream goes on without a reader");
    await pause(50);
  }
};

/** The error of this class that a call ends with. */
export const refusal = async (call, kind) => {
  const error = await call.then(
    () => assert.fail("it was answered"),
    (error) => error,
  );
  assert.ok(error instanceof kind, String(error));
  return error;
};

/** The texts of a stream, and when each came. */
export class Arrivals {
  texts = [];
  times = [];

  add(text) {
    this.texts.push(text);
    this.times.push(performance.now());
  }

  /** Fails unless this text came over time: a buffer would have given it all at once. */
  assertAsSent(text) {
    assert.equal(this.texts.join(""), text);
    assert.ok(this.times.length > 20);
    const paced = BETWEEN_PIECES * (this.times.length - 1);
    assert.ok(this.times.at(-1) - this.times[0] > paced / 6, String(this.times));
  }
}

// Octokit through Postern: only the base URL and the token differ.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { Octokit } from "octokit";

const { POSTERN_BASE_URL, POSTERN_PLACEHOLDER } = process.env;
const REPOSITORY = { owner: "octo", repo: "sample" };

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const client = (options = {}) =>
  new Octokit({
    baseUrl: `${POSTERN_BASE_URL}/api/proxy/github/a/agent-a`,
    auth: POSTERN_PLACEHOLDER,
    log: silent,
    // Without pauses and repetitions of its own.
    retry: { enabled: false },
    throttle: { enabled: false },
    ...options,
  });

/** The error that a call ends with. */
const refusal = (call) =>
  call.then(
    () => assert.fail("it was answered"),
    (error) => error,
  );

test("a plain call is answered", async () => {
  const { data, headers } = await client().rest.users.getAuthenticated();
  assert.equal(data.login, "octocat");
  assert.equal(headers["x-ratelimit-remaining"], "4999");
});

test("a list is read page by page", async () => {
  const own = client();
  const issues = await own.paginate(own.rest.issues.listForRepo, { ...REPOSITORY, per_page: 2 });
  assert.deepEqual(
    issues.map((issue) => issue.number),
    [1, 2, 3, 4, 5],
  );
});

test("a redirect within the provider is followed", async () => {
  const { data } = await client().rest.repos.get({ owner: "octo", repo: "former" });
  assert.equal(data.full_name, "octo/sample");
});

test("an issue is created", async () => {
  const { data, status } = await client().rest.issues.create({ ...REPOSITORY, title: "Through Postern" });
  assert.deepEqual([status, data.number], [201, 6]);
});

test("a file goes up and comes down byte for byte", async () => {
  const own = client();
  const path = "data/bytes from node.bin";
  const content = Buffer.from([...Array(256).keys()]).toString("base64");
  const made = await own.rest.repos.createOrUpdateFileContents({ ...REPOSITORY, path, message: "A file", content });
  assert.equal(made.data.content.size, 256);
  const { data } = await own.rest.repos.getContent({ ...REPOSITORY, path });
  assert.equal(data.content, content);
});

test("GraphQL is answered", async () => {
  const { viewer } = await client().graphql("query { viewer { login } }");
  assert.equal(viewer.login, "octocat");
});

test("the provider's errors arrive as they were written", async () => {
  const missing = await refusal(client().rest.repos.get({ owner: "octo", repo: "missing" }));
  assert.deepEqual([missing.status, missing.response.data.message], [404, "Not Found"]);
  const invalid = await refusal(client().rest.issues.create({ ...REPOSITORY, title: "" }));
  assert.deepEqual([invalid.status, invalid.response.data.errors[0].field], [422, "title"]);
  assert.equal(invalid.response.headers["x-postern-error"], undefined);
});

test("the provider's rate limits arrive with their headers", async () => {
  const busy = await refusal(client().rest.repos.get({ owner: "octo", repo: "busy" }));
  assert.deepEqual([busy.status, busy.response.headers["x-ratelimit-remaining"]], [403, "0"]);
  const abused = await refusal(client().rest.repos.get({ owner: "octo", repo: "abused" }));
  assert.deepEqual([abused.status, abused.response.headers["retry-after"]], [429, "60"]);
});

test("Postern's own refusal is an error with its code", async () => {
  const stranger = client({ auth: `postern_secret_${randomUUID()}` });
  const error = await refusal(stranger.rest.users.getAuthenticated());
  assert.equal(error.status, 401);
  assert.equal(error.response.headers["x-postern-error"], "unauthorized");
});

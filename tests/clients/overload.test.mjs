import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';

import { startServer } from './harness.mjs';

let server;
const own = { skip: process.env.FS_BINARY ? false : 'needs FS_BINARY and FS_MODEL' };
before(async () => {
  if (!own.skip) server = await startServer({ args: ['--max-sequences', '1', '--max-queue', '1'] });
});
after(() => server?.close());

const many = (client) => Promise.allSettled(Array.from({ length: 12 }, (_, i) => client.completions.create(
  { model: server.model, prompt: `Once upon a time ${i}`, max_tokens: 200, logit_bias: {} })));

test('overload: 429 with an honest Retry-After', own, async () => {
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.key, maxRetries: 0 });
  const results = await many(client);
  const refused = results.filter((result) => result.status === 'rejected').map((result) => result.reason);
  assert.ok(refused.length > 0, 'nothing was refused');
  for (const error of refused) {
    assert.ok(error instanceof OpenAI.RateLimitError, String(error));
    assert.ok(Number(error.headers.get('retry-after')) >= 1);
  }
});

test('overload: the client retries until all are answered', own, async () => {
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.key, maxRetries: 20 });
  const results = await many(client);
  for (const result of results) assert.equal(result.status, 'fulfilled', String(result.reason));
});

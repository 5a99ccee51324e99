import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import OpenAI, { toFile } from 'openai';

import { startServer } from './harness.mjs';

let state, server, client;
const connect = (to) => new OpenAI({ baseURL: `${to.url}/v1`, apiKey: to.key, maxRetries: 0 });
before(async () => {
  state = mkdtempSync(join(tmpdir(), 'firesteel-batches-'));
  server = await startServer({ state });
  client = connect(server);
});
after(async () => {
  await server.close();
  rmSync(state, { recursive: true, force: true });
});

const line = (id, more = {}) => JSON.stringify({
  custom_id: id, method: 'POST', url: '/v1/chat/completions',
  body: { model: 'story', messages: [{ role: 'user', content: `Tell me of ${id}.` }], max_completion_tokens: 16, ...more },
});
const upload = async (lines) => client.files.create({ file: await toFile(Buffer.from(lines.join('\n')), 'requests.jsonl'), purpose: 'batch' });
const start = (file) => client.batches.create({ input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h', metadata: { night: 'one' } });
const finished = async (id, until = ['completed', 'failed', 'expired', 'cancelled']) => {
  for (;;) {
    const batch = await client.batches.retrieve(id);
    if (until.includes(batch.status)) return batch;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
const results = async (id) => (await (await client.files.content(id)).text()).trim().split('\n').map((text) => JSON.parse(text));

test('files: upload, list, retrieve, content, delete', async () => {
  const file = await upload([line('a')]);
  assert.equal(file.object, 'file');
  assert.equal(file.filename, 'requests.jsonl');
  assert.equal((await client.files.retrieve(file.id)).bytes, line('a').length);
  assert.equal(await (await client.files.content(file.id)).text(), line('a'));
  const ids = [];
  for await (const one of client.files.list({ limit: 1 })) ids.push(one.id);
  assert.ok(ids.includes(file.id));
  assert.equal((await client.files.delete(file.id)).deleted, true);
  await assert.rejects(client.files.retrieve(file.id), OpenAI.NotFoundError);
  await assert.rejects(client.files.create({ file: await toFile(Buffer.from('x'), 'x'), purpose: 'nonsense' }), (error) => error.param === 'purpose');
});

test('batches: run, results by custom_id, errors apart', async () => {
  const batch = await start(await upload([line('a dog'), line('a cat'), line('wrong', { temperature: 9 })]));
  assert.equal(batch.status, 'validating');
  const done = await finished(batch.id);
  assert.equal(done.status, 'completed');
  assert.deepEqual(done.request_counts, { total: 3, completed: 2, failed: 1 });
  assert.equal(done.metadata.night, 'one');
  const answers = await results(done.output_file_id);
  assert.deepEqual(answers.map((one) => one.custom_id), ['a dog', 'a cat']);
  for (const one of answers) assert.equal(one.response.body.usage.completion_tokens, one.response.body.choices[0].finish_reason === 'length' ? 16 : one.response.body.usage.completion_tokens);
  const [wrong] = await results(done.error_file_id);
  assert.equal(wrong.response.status_code, 400);
  assert.equal(wrong.response.body.error.param, 'temperature');
  const listed = [];
  for await (const one of client.batches.list()) listed.push(one.id);
  assert.ok(listed.includes(batch.id));
});

test('batches: cancelled, and refused', async () => {
  const many = Array.from({ length: 60 }, (_, i) => line(`n${i}`, { max_completion_tokens: 64 }));
  const batch = await start(await upload(many));
  assert.equal((await client.batches.cancel(batch.id)).status, 'cancelling');
  const done = await finished(batch.id);
  assert.equal(done.status, 'cancelled');
  const failed = await finished((await start(await upload(['{']))).id);
  assert.equal(failed.status, 'failed');
  assert.equal(failed.errors.data[0].line, 1);
  await assert.rejects(client.batches.retrieve('batch_x'), OpenAI.NotFoundError);
});

test('batches and responses outlive kill -9', async () => {
  const first = await client.responses.create({ model: 'story', input: 'Tell me of a dog.', max_output_tokens: 8 });
  const ids = Array.from({ length: 30 }, (_, i) => `n${i}`);
  const batch = await start(await upload(ids.map((id) => line(id, { max_completion_tokens: 24 }))));
  for (let n = 0; n < 2; ++n) {
    const before = (await client.batches.retrieve(batch.id)).request_counts.completed;
    for (;;) {
      const { status, request_counts } = await client.batches.retrieve(batch.id);
      if (status === 'completed' || request_counts.completed > before + 4) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await server.kill();
    server = await startServer({ state });
    client = connect(server);
  }
  const done = await finished(batch.id);
  assert.equal(done.status, 'completed');
  assert.deepEqual(done.request_counts, { total: 30, completed: 30, failed: 0 });
  const answers = await results(done.output_file_id);
  assert.deepEqual(answers.map((one) => one.custom_id), ids);
  // Billed once each: the chat requests of this tenant are the batches' lines, whatever was killed in between.
  const usage = await (await fetch(`${server.url}/firesteel/v1/admin/usage?group=tenant`, { headers: { authorization: `Bearer ${server.key}` } })).json();
  const tokens = answers.reduce((sum, one) => sum + one.response.body.usage.completion_tokens, 0);
  assert.ok(usage.total.completion_tokens >= tokens);
  const next = await client.responses.create({ model: 'story', input: 'And then?', previous_response_id: first.id, max_output_tokens: 8 });
  assert.ok(next.usage.input_tokens > first.usage.input_tokens);
});

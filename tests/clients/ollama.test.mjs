import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Ollama } from 'ollama';

import { startServer } from './harness.mjs';

let server, client, bytes;
before(async () => {
  server = await startServer();
  bytes = await startServer({ bytes: true });
  client = new Ollama({ host: server.url, headers: { authorization: `Bearer ${server.key}` } });
});
after(() => Promise.all([server.close(), bytes.close()]));

const ask = (more = {}) => ({ model: server.model, messages: [{ role: 'user', content: 'Tell me of a dog.' }], options: { num_predict: 16, seed: 4 }, ...more });

test('list, show, ps, version', async () => {
  assert.equal((await client.list()).models[0].name, server.model);
  const shown = await client.show({ model: server.model });
  assert.ok(shown.capabilities.includes('completion'));
  assert.equal((await client.ps()).models[0].name, server.model);
  assert.match((await client.version()).version, /^\d+\.\d+/);
});

test('chat, whole and streamed', async () => {
  const whole = await client.chat(ask());
  assert.equal(whole.done_reason, 'length');
  assert.equal(whole.eval_count, 16);
  assert.ok(whole.total_duration > 0 && whole.eval_duration > 0);
  let text = '', last;
  for await (const part of await client.chat(ask({ stream: true }))) {
    text += part.message.content;
    last = part;
  }
  assert.equal(text, whole.message.content);
  assert.equal(last.done, true);
  assert.equal(last.prompt_eval_count, whole.prompt_eval_count);
});

test('chat by a schema', async () => {
  const format = { type: 'object', properties: { animal: { enum: ['dog', 'cat'] } }, required: ['animal'], additionalProperties: false };
  const constrained = new Ollama({ host: bytes.url, headers: { authorization: `Bearer ${bytes.key}` } });
  const answer = await constrained.chat(ask({ format, options: { num_predict: 400, seed: 1 } }));
  assert.ok(['dog', 'cat'].includes(JSON.parse(answer.message.content).animal));
});

test('tools and their results', async () => {
  const tools = [{ type: 'function', function: { name: 'weather', description: 'd', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } }];
  const answer = await client.chat(ask({
    tools,
    messages: [
      { role: 'user', content: 'Weather?' },
      { role: 'assistant', content: '', tool_calls: [{ function: { name: 'weather', arguments: { city: 'Rome' } } }] },
      { role: 'tool', tool_name: 'weather', content: 'sun' },
    ],
  }));
  assert.equal(answer.message.role, 'assistant');
});

test('generate, raw and streamed', async () => {
  const whole = await client.generate({ model: server.model, prompt: 'Once upon a time', raw: true, options: { num_predict: 12, seed: 1 } });
  let text = '';
  for await (const part of await client.generate({ model: server.model, prompt: 'Once upon a time', raw: true, stream: true, options: { num_predict: 12, seed: 1 } })) text += part.response;
  assert.equal(text, whole.response);
});

test('embed', async () => {
  const answer = await client.embed({ model: server.model, input: ['a dog', 'a cat'] });
  assert.equal(answer.embeddings.length, 2);
  assert.ok(answer.prompt_eval_count > 0);
});

test('errors', async () => {
  await assert.rejects(client.chat(ask({ model: 'llama9' })), (error) => error.status_code === 404 && /llama9/.test(error.message));
  await assert.rejects(client.chat(ask({ options: { temprature: 1 } })), (error) => error.status_code === 400 && /temperature/.test(error.message));
});

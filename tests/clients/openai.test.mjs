import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';

import { startServer } from './harness.mjs';

let server, client, bytes, constrained;
before(async () => {
  server = await startServer();
  bytes = await startServer({ bytes: true });
  constrained = new OpenAI({ baseURL: `${bytes.url}/v1`, apiKey: bytes.key, maxRetries: 0 });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.key, maxRetries: 0 });
});
after(() => Promise.all([server.close(), bytes.close()]));

const ask = (more = {}) => ({ model: server.model, messages: [{ role: 'user', content: 'Tell me of a dog.' }], max_completion_tokens: 24, ...more });
const weather = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'The weather of a city',
    parameters: {
      type: 'object',
      properties: { city: { enum: ['Paris', 'Rome'] }, days: { type: 'integer', minimum: 1, maximum: 9 } },
      required: ['city', 'days'],
      additionalProperties: false,
    },
  },
};

test('models', async () => {
  const list = await client.models.list();
  assert.equal(list.data[0].id, server.model);
  assert.equal((await client.models.retrieve(server.model)).object, 'model');
  await assert.rejects(client.models.retrieve('no-such-model'), OpenAI.NotFoundError);
});

test('chat: text, usage and a replay by seed', async () => {
  const { data, response } = await client.chat.completions.create(ask({ service_tier: 'auto' })).withResponse();
  assert.equal(data.object, 'chat.completion');
  assert.equal(data.choices[0].message.role, 'assistant');
  assert.ok(['length', 'stop'].includes(data.choices[0].finish_reason));
  assert.equal(data.usage.completion_tokens === 24, data.choices[0].finish_reason === 'length');
  assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);
  assert.equal(response.headers.get('x-firesteel-ignored'), 'service_tier');
  assert.ok(data._request_id);
  const again = await client.chat.completions.create(ask({ seed: data.firesteel.seed }));
  assert.equal(again.choices[0].message.content, data.choices[0].message.content);
});

test('chat: a stream says what the whole answer says', async () => {
  const whole = await client.chat.completions.create(ask({ seed: 5, n: 2 }));
  const stream = await client.chat.completions.create(ask({ seed: 5, n: 2, stream: true, stream_options: { include_usage: true } }));
  const texts = ['', ''];
  let usage, n_chunks = 0;
  for await (const chunk of stream) {
    ++n_chunks;
    for (const choice of chunk.choices) texts[choice.index] += choice.delta.content ?? '';
    usage = chunk.usage ?? usage;
  }
  assert.deepEqual(texts, whole.choices.map((choice) => choice.message.content));
  assert.notEqual(texts[0], texts[1]);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
  assert.ok(n_chunks > 10);
});

test('chat: the runner of the client collects a stream', async () => {
  const runner = client.chat.completions.stream(ask({ seed: 6 }));
  let text = '';
  runner.on('content', (delta) => (text += delta));
  const final = await runner.finalChatCompletion();
  assert.equal(final.choices[0].message.content, text);
});

test('chat: greedy, stop, logprobs, bias', async () => {
  const first = await client.chat.completions.create(ask({ temperature: 0, logprobs: true, top_logprobs: 3 }));
  const entries = first.choices[0].logprobs.content;
  assert.equal(entries.length, 24);
  for (const entry of entries) {
    assert.equal(entry.top_logprobs.length, 3);
    assert.ok(entry.logprob <= 0);
    assert.equal(entry.token, entry.top_logprobs[0].token);  // greedy
  }
  const bytes = Buffer.concat(entries.map((entry) => Buffer.from(entry.bytes)));
  assert.equal(bytes.toString('utf8').trim(), first.choices[0].message.content.trim());
  const word = first.choices[0].message.content.trim().split(/\s+/)[2];
  const stopped = await client.chat.completions.create(ask({ temperature: 0, stop: [word] }));
  assert.equal(stopped.choices[0].finish_reason, 'stop');
  assert.ok(!stopped.choices[0].message.content.includes(word));
  const { tokens } = await (await fetch(`${server.url}/tokenize`, {
    method: 'POST', headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' }, body: JSON.stringify({ content: entries[0].token }),
  })).json();
  assert.ok(tokens.length > 0);
});

test('chat: json_schema and json_object give JSON', async () => {
  const schema = { type: 'object', properties: { animal: { enum: ['dog', 'cat'] }, old: { type: 'boolean' } }, required: ['animal', 'old'], additionalProperties: false };
  const answer = await constrained.chat.completions.create(ask({
    response_format: { type: 'json_schema', json_schema: { name: 'pet', strict: true, schema } }, max_completion_tokens: 400, seed: 1,
  }));
  const pet = JSON.parse(answer.choices[0].message.content);
  assert.ok(['dog', 'cat'].includes(pet.animal));
  assert.equal(typeof pet.old, 'boolean');
  assert.equal(answer.choices[0].finish_reason, 'stop');
  await assert.rejects(
    constrained.chat.completions.create(ask({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object', not: {} } } } })),
    (error) => error instanceof OpenAI.BadRequestError && error.param.startsWith('response_format'));
});

test('chat: a required tool call parses, streamed and whole, and its result comes back', async () => {
  const request = ask({ tools: [weather], tool_choice: 'required', seed: 3, max_completion_tokens: 400 });
  const whole = await constrained.chat.completions.create(request);
  assert.equal(whole.choices[0].finish_reason, 'tool_calls');
  const call = whole.choices[0].message.tool_calls[0];
  assert.equal(call.function.name, 'weather');
  const args = JSON.parse(call.function.arguments);
  assert.ok(['Paris', 'Rome'].includes(args.city) && args.days >= 1 && args.days <= 9);
  const runner = constrained.chat.completions.stream(request);
  const streamed = await runner.finalChatCompletion();
  assert.equal(streamed.choices[0].message.tool_calls[0].function.arguments, call.function.arguments);
  const named = await constrained.chat.completions.create(ask({ tools: [weather], tool_choice: { type: 'function', function: { name: 'weather' } }, max_completion_tokens: 400 }));
  assert.equal(named.choices[0].message.tool_calls[0].function.name, 'weather');
  const next = await constrained.chat.completions.create(ask({
    messages: [...request.messages, whole.choices[0].message, { role: 'tool', tool_call_id: call.id, content: 'rain' }], tools: [weather],
  }));
  assert.equal(typeof next.choices[0].message.content, 'string');
});

test('chat: a schema together with tools: one call, or JSON of the schema', async () => {
  const schema = { type: 'object', properties: { animal: { enum: ['dog', 'cat'] } }, required: ['animal'], additionalProperties: false };
  const kinds = new Set();
  for (let seed = 1; seed <= 8; ++seed) {
    const answer = await constrained.chat.completions.create(ask({
      tools: [weather], response_format: { type: 'json_schema', json_schema: { name: 'pet', strict: true, schema } }, max_completion_tokens: 400, seed,
    }));
    const { message, finish_reason: reason } = answer.choices[0];
    kinds.add(reason);
    if (reason === 'tool_calls') assert.ok(['Paris', 'Rome'].includes(JSON.parse(message.tool_calls[0].function.arguments).city));
    else assert.ok(['dog', 'cat'].includes(JSON.parse(message.content).animal));
  }
  assert.ok(!kinds.has('length'));
});

test('embeddings: the client asks for base64 and reads floats', async () => {
  const both = await client.embeddings.create({ model: server.model, input: ['a dog', 'a cat'] });
  assert.equal(both.data.length, 2);
  const plain = await client.embeddings.create({ model: server.model, input: 'a dog', encoding_format: 'float' });
  assert.equal(plain.data[0].embedding.length, both.data[0].embedding.length);
  for (let i = 0; i < plain.data[0].embedding.length; ++i) assert.ok(Math.abs(plain.data[0].embedding[i] - both.data[0].embedding[i]) < 1e-6);
  const norm = plain.data[0].embedding.reduce((sum, x) => sum + x * x, 0);
  assert.ok(Math.abs(norm - 1) < 1e-3);
});

test('completions', async () => {
  const answer = await client.completions.create({ model: server.model, prompt: 'Once upon a time', max_tokens: 8, echo: true, temperature: 0 });
  assert.ok(answer.choices[0].text.startsWith('Once upon a time'));
  let text = '';
  for await (const chunk of await client.completions.create({ model: server.model, prompt: 'Once upon a time', max_tokens: 8, temperature: 0, stream: true })) {
    text += chunk.choices[0]?.text ?? '';
  }
  assert.equal('Once upon a time' + text, answer.choices[0].text);
});

test('responses: text, stream, previous_response_id, retrieve, delete', async () => {
  const first = await client.responses.create({ model: server.model, input: 'Tell me of a dog.', instructions: 'Be brief', max_output_tokens: 16 });
  assert.ok(['incomplete', 'completed'].includes(first.status));
  if (first.status === 'incomplete') assert.equal(first.incomplete_details.reason, 'max_output_tokens');
  assert.equal(typeof first.output_text, 'string');
  assert.equal((await client.responses.retrieve(first.id)).id, first.id);
  const types = [];
  let text = '', last;
  const stream = await client.responses.create({ model: server.model, input: 'And then?', previous_response_id: first.id, max_output_tokens: 16, stream: true });
  for await (const event of stream) {
    types.push(event.type);
    if (event.type === 'response.output_text.delta') text += event.delta;
    last = event;
  }
  assert.deepEqual(types.slice(0, 2), ['response.created', 'response.in_progress']);
  assert.equal(last.type, `response.${last.response.status}`);
  assert.equal(last.response.output[0].content[0].text, text);
  assert.ok(last.response.usage.input_tokens > first.usage.input_tokens);
  await client.responses.delete(first.id);
  await assert.rejects(client.responses.retrieve(first.id), OpenAI.NotFoundError);
});

test('responses: a required call, collected by the client', async () => {
  const runner = constrained.responses.stream({
    model: server.model, input: 'Weather?', tool_choice: 'required', tools: [{ type: 'function', ...weather.function, strict: true }], max_output_tokens: 400, firesteel: { seed: 2 },
  });
  const final = await runner.finalResponse();
  const call = final.output.find((item) => item.type === 'function_call');
  assert.ok(['Paris', 'Rome'].includes(JSON.parse(call.arguments).city));
});

test('errors have the classes, parameters and codes that the client knows', async () => {
  const refused = (request, type, param, code) => assert.rejects(client.chat.completions.create(request), (error) => {
    assert.ok(error instanceof type, String(error));
    if (param !== undefined) assert.equal(error.param, param);
    if (code !== undefined) assert.equal(error.code, code);
    return true;
  });
  await refused(ask({ model: 'gpt-9' }), OpenAI.NotFoundError, 'model', 'model_not_found');
  await refused(ask({ temperature: 3 }), OpenAI.BadRequestError, 'temperature');
  await refused(ask({ max_token: 3 }), OpenAI.BadRequestError, 'max_token');
  await refused(ask({ messages: [{ role: 'user', content: 'word '.repeat(20000) }] }), OpenAI.BadRequestError, 'messages', 'context_length_exceeded');
  const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'fs_wrong', maxRetries: 0 });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
});

test('a client that stops reading cancels', async () => {
  const stream = await client.chat.completions.create(ask({ stream: true, max_completion_tokens: 200 }));
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta?.content) break;
  }
  assert.equal((await client.chat.completions.create(ask({ max_completion_tokens: 1 }))).usage.completion_tokens, 1);
});

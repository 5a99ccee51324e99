// The Responses API over a WebSocket with OpenAI's own client.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { ResponsesWS } from 'openai/resources/responses/ws';

import { startServer } from './harness.mjs';

let server, client;
before(async () => {
  server = await startServer();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.key, maxRetries: 0 });
});
after(() => server.close());

// Sends one event and gives the events of its answer.
async function ask(events, socket, event) {
  socket.send({ type: 'response.create', model: server.model, ...event });
  const out = [];
  for (;;) {
    const { value, done } = await events.next();
    assert.ok(!done, 'the connection ended');
    if (value.type === 'error') throw value.error;
    if (value.type !== 'message') continue;
    out.push(value.message);
    if (['response.completed', 'response.incomplete', 'response.failed'].includes(value.message.type)) return out;
  }
}

test('responses over a WebSocket: one connection, several answers, errors in between', async () => {
  const socket = new ResponsesWS(client);
  const events = socket.stream();
  const first = await ask(events, socket, { input: 'Tell me of a dog.', max_output_tokens: 24, firesteel: { seed: 5 } });
  const text = first.filter((event) => event.type === 'response.output_text.delta').map((event) => event.delta).join('');
  const over_http = await client.responses.create({ model: server.model, input: 'Tell me of a dog.', max_output_tokens: 24, firesteel: { seed: 5 } });
  assert.ok(text.length > 0);
  assert.equal(text, over_http.output_text);
  const id = first.at(-1).response.id;
  await assert.rejects(ask(events, socket, { input: 'x', nonsense: 1 }), (error) => error.error.status === 400 && error.error.error.param === 'nonsense');
  const second = await ask(events, socket, { input: 'And then?', previous_response_id: id, max_output_tokens: 8 });
  assert.equal(second.at(-1).response.previous_response_id, id);
  socket.close();
});

test('responses over a WebSocket: a wrong key is refused before it opens', async () => {
  const socket = new ResponsesWS(new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'fs-wrong', maxRetries: 0 }));
  const problem = await new Promise((resolve) => { socket.on('error', resolve); });
  assert.match(String(problem.message), /401/);
});

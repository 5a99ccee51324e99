import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Old from 'anthropic-0';
import New from 'anthropic-1';

import { startServer } from './harness.mjs';

let server, bytes;
before(async () => {
  server = await startServer();
  bytes = await startServer({ bytes: true });
});
after(() => Promise.all([server.close(), bytes.close()]));

const weather = {
  name: 'weather',
  description: 'The weather of a city',
  input_schema: { type: 'object', properties: { city: { enum: ['Paris', 'Rome'] } }, required: ['city'], additionalProperties: false },
};

for (const [version, Anthropic] of [['2023-06-01', Old], ['2026-10-21', New]]) {
  const make = (more = {}) => new Anthropic({ baseURL: server.url, apiKey: server.key, maxRetries: 0, ...more });
  const constrained = () => make({ baseURL: bytes.url, apiKey: bytes.key });
  const ask = (more = {}) => ({ model: server.model, max_tokens: 16, firesteel: { seed: 1 }, messages: [{ role: 'user', content: 'Tell me of a dog.' }], ...more });

  test(`${version}: message`, async () => {
    const message = await make().messages.create(ask({ system: 'Be brief' }));
    assert.equal(message.type, 'message');
    assert.equal(message.content[0].type, 'text');
    assert.equal(message.stop_reason, 'max_tokens');
    assert.equal(message.usage.output_tokens, 16);
    assert.ok(message._request_id);
  });

  test(`${version}: stream`, async () => {
    const stream = make().messages.stream(ask());
    let text = '';
    stream.on('text', (delta) => (text += delta));
    const final = await stream.finalMessage();
    assert.equal(final.content[0].text, text);
    assert.equal(final.stop_reason, 'max_tokens');
    assert.equal(final.usage.output_tokens, 16);
    assert.ok(final.usage.input_tokens > 0);
  });

  test(`${version}: a tool call and its result`, async () => {
    const request = ask({ max_tokens: 400, tools: [weather], tool_choice: { type: 'any' } });
    const message = await constrained().messages.create(request);
    assert.equal(message.stop_reason, 'tool_use');
    const use = message.content.find((block) => block.type === 'tool_use');
    assert.ok(['Paris', 'Rome'].includes(use.input.city));
    const streamed = await constrained().messages.stream(request).finalMessage();
    assert.ok(['Paris', 'Rome'].includes(streamed.content.find((block) => block.type === 'tool_use').input.city));
    const next = await constrained().messages.create(ask({
      tools: [weather],
      messages: [...request.messages, { role: 'assistant', content: message.content }, { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: 'rain' }] }],
    }));
    assert.equal(next.type, 'message');
  });

  test(`${version}: a schema`, async () => {
    const schema = { type: 'object', properties: { animal: { enum: ['dog', 'cat'] } }, required: ['animal'], additionalProperties: false };
    const message = await constrained().messages.create(ask({ max_tokens: 400, output_config: { format: { type: 'json_schema', schema } } }));
    assert.ok(['dog', 'cat'].includes(JSON.parse(message.content[0].text).animal));
  });

  test(`${version}: counting`, async () => {
    const count = await make().messages.countTokens({ model: server.model, messages: ask().messages });
    const message = await make().messages.create(ask());
    assert.equal(count.input_tokens, message.usage.input_tokens + message.usage.cache_read_input_tokens);
  });

  test(`${version}: errors`, async () => {
    await assert.rejects(make().messages.create(ask({ model: 'claude-9' })), Anthropic.NotFoundError);
    await assert.rejects(make().messages.create(ask({ max_tokens: 0 })), Anthropic.BadRequestError);
    await assert.rejects(make({ apiKey: 'fs_wrong' }).messages.create(ask()), (error) => {
      assert.ok(error instanceof Anthropic.AuthenticationError, String(error));
      assert.equal(error.error.error.type, 'authentication_error');
      return true;
    });
    const sampled = make().messages.create(ask({ temperature: 1 }));
    if (version === '2023-06-01') assert.equal((await sampled).type, 'message');
    else await assert.rejects(sampled, Anthropic.BadRequestError);
  });
}

// A running server for the tests: the one of the environment, or one of our own.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;

// Gives {url, key, model, close()}. Arguments go to `firesteel serve`; with some, the server is always one of our own. bytes: with a model of
// random weights that can say any byte, for constrained answers; the other one knows words of stories only. state: a folder to go on with,
// which stays (then kill() ends the server as a power switch would, and another one may begin on it).
export async function startServer({ bytes = false, args = [], state: given } = {}) {
  if (process.env.FIRESTEEL_URL && args.length === 0 && !given) {
    const { FIRESTEEL_URL: url, FIRESTEEL_API_KEY: key } = process.env;
    const list = await (await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).json();
    return { url, key, model: list.data[0].id, close: async () => {} };
  }
  const state = given ?? mkdtempSync(join(tmpdir(), 'firesteel-clients-'));
  let model = process.env.FS_MODEL;
  if (bytes) {
    model = join(state, 'bytes.gguf');
    execFileSync('python3', [join(here, 'make_model.py'), model]);
  }
  const child = spawn(process.env.FS_BINARY, [
    'serve', '--model', model, '--model-name', 'story', '--chat-template', join(here, 'chat.jinja'),
    '--listen', '127.0.0.1:0', '--state-dir', state, '--threads', '1', '--kv-mib', '64', ...args,
  ], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const url = await new Promise((resolve, reject) => {
    const look = (data) => {
      output += data;
      const found = output.match(/answers at (http:\S+)/);
      if (found && /admin key is in|--no-auth|Keys are needed/.test(output)) resolve(found[1]);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.on('exit', (code) => reject(new Error(`firesteel serve ended with ${code}: ${output}`)));
  });
  const keyFile = output.match(/admin key is in (\S+)/)[1];
  return {
    url,
    key: readFileSync(keyFile, 'utf8').trim(),
    model: 'story',
    kill: () => new Promise((resolve) => {
      child.removeAllListeners('exit');
      child.on('exit', resolve);
      child.kill('SIGKILL');
    }),
    close: () => new Promise((resolve) => {
      child.removeAllListeners('exit');
      child.on('exit', () => {
        if (!given) rmSync(state, { recursive: true, force: true });
        resolve();
      });
      child.kill('SIGTERM');
    }),
  };
}

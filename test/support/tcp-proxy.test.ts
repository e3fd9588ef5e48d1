/** The TCP proxy itself: every byte passes, and every fault happens at its place, once, and is counted. */
import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { type TcpFault, type TcpProxy, startTcpProxy } from './tcp-proxy.js';

/** Answers each line with as many bytes as it says, and writes down what it was sent. */
const heard: string[] = [];
const server = createServer({ allowHalfOpen: true }, (socket) => {
  const at = heard.push('') - 1;
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    heard[at] += String(bytes);
    for (const [, size] of String(bytes).matchAll(/(\d+)\n/g)) socket.write('x'.repeat(Number(size)));
  });
  socket.on('end', () => socket.end('bye'));
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const proxy = await startTcpProxy({ to: (server.address() as AddressInfo).port });
t.teardown(async () => {
  await proxy.close();
  server.close();
});
t.beforeEach(() => proxy.disarm());

interface Client {
  socket: Socket;
  text: () => string;
  /** How it ended: `end` of the stream, or the code of the error. */
  ended: Promise<string>;
}

function client(through: TcpProxy = proxy): Client {
  const socket = connect(through.port, '127.0.0.1');
  let [text, how] = ['', ''];
  socket.on('data', (bytes) => (text += String(bytes)));
  socket.on('end', () => (how ||= 'end'));
  socket.on('error', (error: NodeJS.ErrnoException) => (how = error.code ?? ''));
  return { socket, text: () => text, ended: new Promise((resolve) => socket.on('close', () => resolve(how))) };
}

const until = async (holds: () => boolean): Promise<void> => {
  for (let tries = 0; tries < 400 && !holds(); tries += 1) await sleep(5);
  if (!holds()) throw new Error('did not come true within 2 s');
};

t.test('without a fault every byte passes, also after one side has ended', async (t) => {
  const { socket, text, ended } = client();
  socket.end('3000000\n');
  t.equal(await ended, 'end');
  t.equal(text(), `${'x'.repeat(3_000_000)}bye`);
});

t.test('a fault happens at its byte, down or up, and once', async (t) => {
  for (const action of ['cut', 'reset'] as const) {
    for (const afterBytes of [0, 1, 65_536, 123_457]) {
      const before = proxy.fired();
      proxy.arm({ direction: 'down', afterBytes, action });
      const down = client();
      down.socket.write('200000\n');
      const how = await down.ended;
      // After the last bytes some kernels tell a reader of an RST nothing but the end, and RST may overtake bytes.
      if (action === 'cut' || afterBytes === 0)
        t.equal(how, action === 'cut' ? 'end' : 'ECONNRESET', `${action} after ${afterBytes}`);
      if (action === 'cut') t.equal(down.text().length, afterBytes);
      t.equal(proxy.fired(), before + 1);
    }
    proxy.arm({ direction: 'up', afterBytes: 5, action });
    const up = client();
    up.socket.write('123456789\n');
    t.equal(await up.ended, action === 'cut' ? 'end' : 'ECONNRESET');
    t.equal(heard.at(-1), '12345');
  }
  const after = client();
  after.socket.end('10\n');
  t.equal(await after.ended, 'end');
  t.equal(after.text(), 'xxxxxxxxxxbye', 'the next connection is served');
});

t.test('faults that wait come one after another, each counting from the one before', async (t) => {
  proxy.arm({ direction: 'down', afterBytes: 100, action: 'cut' });
  proxy.arm({ direction: 'down', afterBytes: 50, action: 'cut' });
  for (const bytes of [100, 50]) {
    const one = client();
    one.socket.write('70\n70\n');
    await one.ended;
    t.equal(one.text().length, bytes);
  }
});

t.test('words of the client: before, after, the nth time, in two pieces', async (t) => {
  const cases: [TcpFault, string[], string][] = [
    [{ sees: 'COMMIT 5\n', when: 'before', action: 'cut' }, ['1\n', 'COMMIT 5\n'], '1\n'],
    [{ sees: 'COMMIT 5\n', when: 'after', action: 'cut' }, ['1\n', 'COMMIT 5\n'], '1\nCOMMIT 5\n'],
    [
      { sees: 'COMMIT', when: 'after', action: 'lose-answer', nth: 2 },
      ['COMMIT 1\n', 'COMMIT 5\n'],
      'COMMIT 1\nCOMMIT 5\n',
    ],
    [{ sees: 'COMMIT', when: 'before', action: 'reset' }, ['1\n', 'COM', 'MIT 5\n'], '1\nCOM'],
    [{ direction: 'up', afterBytes: 4, action: 'lose-answer' }, ['1\n', '2 5\n'], '1\n2 5\n'],
  ];
  for (const [fault, words, arrives] of cases) {
    const before = proxy.fired();
    proxy.arm(fault);
    const { socket, text, ended } = client();
    for (const word of words) {
      socket.write(word);
      await sleep(20);
    }
    await ended;
    t.equal(heard.at(-1), arrives, 'what the server has seen');
    t.equal(text().length, 1, 'the answer is lost');
    t.equal(proxy.fired(), before + 1);
  }
});

t.test('a stall holds everything back until it is resumed', async (t) => {
  for (const fault of [
    { direction: 'down', afterBytes: 1_000, action: 'stall' },
    { sees: '3000', when: 'after', action: 'stall' },
  ] as const) {
    proxy.arm(fault);
    const { socket, text, ended } = client();
    const at = heard.length;
    socket.write('3000\n');
    await until(() => heard[at] === '3000\n');
    await sleep(50);
    t.equal(text().length, 'sees' in fault ? 0 : 1_000);
    socket.write('7\n');
    await sleep(50);
    t.equal(heard[at], '3000\n', 'nothing goes up either');
    proxy.resume();
    await until(() => text().length === 3_007);
    socket.end();
    t.equal(await ended, 'end');
  }
});

t.test('all at once: cut, stalled, refused, and served again', async (t) => {
  const some = [client(), client()];
  for (const { socket } of some) socket.write('1\n');
  await until(() => some.every(({ text }) => text() === 'x'));
  t.equal(proxy.stallAll(), 2);
  for (const { socket } of some) socket.write('1\n');
  await sleep(50);
  t.ok(some.every(({ text }) => text() === 'x'));
  const meanwhile = client();
  meanwhile.socket.end('1\n');
  await meanwhile.ended;
  t.equal(meanwhile.text(), 'xbye', 'a new connection does not stall');
  proxy.resume();
  await until(() => some.every(({ text }) => text() === 'xx'));
  t.equal(proxy.cutAll(), 2);
  await Promise.all(some.map(({ ended }) => ended));
  proxy.refuse();
  const refused = client();
  await refused.ended;
  t.equal(refused.text(), '');
  proxy.resume();
  const served = client();
  served.socket.end('1\n');
  await served.ended;
  t.equal(served.text(), 'xbye');
});

t.test('a server that is not there', async (t) => {
  const nobody = createServer();
  nobody.listen(0, '127.0.0.1');
  await once(nobody, 'listening');
  const { port } = nobody.address() as AddressInfo;
  nobody.close();
  const before = await startTcpProxy({ to: port });
  const alone = client(before);
  alone.socket.write('1\n');
  t.match(await alone.ended, /end|ECONNRESET/);
  await before.close();
});

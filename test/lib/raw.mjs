/* raw.mjs - bytes to a server and what comes back, without any client's opinion in between. */
import net from 'node:net';
import { slow } from './gate.mjs';

/* Send @pieces one after the other (a function is called with the socket), read until the server closes, or until
 * @enough is true of the text so far. {text, closed, ms}; a server that does neither within @ms is an error. */
export function raw(port, pieces, { ms = 30_000, enough = () => false, end = false } = {}) {
  return new Promise((resolve, reject) => {
    const started = Date.now();
    let text = '';
    let timer;
    const done = (closed) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text, closed, ms: Date.now() - started, statuses: statuses(text) });
    };
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true }, async () => {
      for (const piece of [pieces].flat()) {
        if (socket.destroyed) return;
        if (typeof piece === 'function') await piece(socket);
        else socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
      }
      if (end) socket.end();
    });
    timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end after ${ms * slow} ms; so far: ${JSON.stringify(text.slice(0, 300))}`));
    }, ms * slow);
    socket.setEncoding('latin1');
    socket.on('data', (more) => {
      text += more;
      if (enough(text)) done(false);
    });
    socket.on('close', () => done(true));
    socket.on('error', () => done(true)); /* a reset is a way to close */
  });
}

function statuses(text) {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((m) => Number(m[1]));
}

/* proxy.mjs - a TCP proxy that cuts its lines on command, for clients that must bear it. */
import net from 'node:net';

export class Proxy {
  static async start(port) {
    const p = new Proxy();
    p.lines = new Set();
    p.connections = 0;
    p.server = net.createServer((near) => {
      p.connections++;
      const far = net.connect(port, '127.0.0.1');
      const line = { near, far, bytes: 0 };
      p.lines.add(line);
      const close = () => {
        near.destroy();
        far.destroy();
        p.lines.delete(line);
      };
      for (const s of [near, far]) s.on('error', close).on('close', close);
      near.pipe(far);
      far.on('data', (piece) => {
        line.bytes += piece.length;
        near.write(piece);
        p.onData?.(line, piece);
      });
    });
    await new Promise((resolve) => p.server.listen(0, '127.0.0.1', resolve));
    p.url = `http://127.0.0.1:${p.server.address().port}`;
    return p;
  }

  cut() {
    for (const { near, far } of this.lines) {
      near.destroy();
      far.destroy();
    }
  }

  async stop() {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

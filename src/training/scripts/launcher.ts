import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { constants } from 'node:os';

// Runs inside the sandbox of a script: a port of its loopback leads to the socket of the API, and then it starts the
// command and ends like it.
const [socketPath = '', port = '', command = ''] = process.argv.slice(2);

// The command has the time to end first.
process.on('SIGTERM', () => undefined);

createServer((inner) => {
  const outer = connect(socketPath);
  inner.on('error', () => outer.destroy());
  outer.on('error', () => inner.destroy());
  inner.pipe(outer).pipe(inner);
}).listen(Number(port), '127.0.0.1', () => {
  spawn('/bin/sh', ['-c', command], { stdio: 'inherit' }).on('exit', (code, signal) =>
    process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0)),
  );
});

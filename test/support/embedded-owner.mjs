// A separate process that owns an embedded database, so that a test can kill it: node embedded-owner.mjs <dataDir>
// [port]
import { startEmbeddedPostgres } from '../../dist/db/embedded.js';

const [dataDir, port] = process.argv.slice(2);
const log = { info: () => {}, warn: (message) => process.stderr.write(`${message}\n`) };
try {
  const server = await startEmbeddedPostgres({
    dataDir,
    log,
    ...(port ? { port: Number(port) } : {}),
    settings: { synchronous_commit: 'on' },
  });
  process.stdout.write(`${JSON.stringify({ url: server.url, port: server.port })}\n`);
  process.on('SIGTERM', async () => {
    await server.stop();
    process.exit(0);
  });
  setInterval(() => {}, 60_000);
} catch (error) {
  process.stdout.write(`${JSON.stringify({ code: error.code, message: error.message })}\n`);
  process.exitCode = 1;
}

const endings: (() => Promise<unknown>)[] = [];

/** Has `end` run when the benchmark is interrupted, the newest first: what it started must not outlive it. */
export function onInterruption(end: () => Promise<unknown>): void {
  endings.push(end);
}

async function endAll(exitCode: number): Promise<void> {
  // What the benchmark itself was at fails now, as its servers end.
  for (const event of ['uncaughtException', 'unhandledRejection']) process.on(event, () => undefined);
  for (const end of endings.toReversed()) {
    await end().catch((error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
    });
  }
  process.exit(exitCode);
}

process.once('SIGINT', () => void endAll(130));
process.once('SIGTERM', () => void endAll(143));

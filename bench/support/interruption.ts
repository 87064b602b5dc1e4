const endings: (() => Promise<unknown>)[] = [];

/** Calls `end` when the benchmark is interrupted, the newest first, so that nothing that it started keeps running. */
export function onInterruption(end: () => Promise<unknown>): void {
  endings.push(end);
}

async function endAll(exitCode: number): Promise<void> {
  // The running requests of the benchmark fail now, because its servers end.
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

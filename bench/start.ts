// Warm start: from the start of the process until it is ready, including the embedded database. ratio = seconds / 5.
import { median, report } from './support/report.ts';
import { startService, withDataDir } from './support/service.ts';

const GOAL_SECONDS = 5;
const ROUNDS = 5;

await withDataDir(async (dataDir) => {
  const times: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const service = await startService(dataDir);
    const { status } = await fetch(`${service.url}/readyz`);
    if (status !== 200) throw new Error(`it said that it is ready, and /readyz answers ${status}`);
    times.push(service.readyMs / 1000);
    await service.stop();
  }
  const [firstSeconds, ...warm] = times;
  const warmSeconds = median(warm);
  report('start', warmSeconds / GOAL_SECONDS, 1, 'lower', {
    warmSeconds,
    warmRoundsSeconds: warm,
    firstSeconds: firstSeconds ?? 0,
  });
});

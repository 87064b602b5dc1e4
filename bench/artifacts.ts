// Uploads and downloads the same files with MLflow's own Python client: 60 files of one byte, and one of 100 MB, with
// this service and with MLflow's own server on the same machine, in turn. ratio = the smaller of MLflow's time divided
// by ours, for uploading and downloading the small files.
import { artifactClient, withMlflow, type ArtifactClient } from './support/mlflow-server.ts';
import { median, report } from './support/report.ts';

const ROUNDS = 5;
const SMALL = { files: 60, bytes: 1 };
const LARGE = { files: 1, bytes: 100_000_000 };

type Times = Record<'smallUpMs' | 'smallDownMs' | 'largeUpMs' | 'largeDownMs', number[]>;

async function measure(client: ArtifactClient, times: Times, round: number): Promise<void> {
  const took = {
    smallUpMs: await client({ do: 'up', folder: `small-${round}`, ...SMALL }),
    smallDownMs: await client({ do: 'down', folder: `small-${round}` }),
    largeUpMs: await client({ do: 'up', folder: `large-${round}`, ...LARGE }),
    largeDownMs: await client({ do: 'down', folder: `large-${round}` }),
  };
  // Round 0 warms up and is not counted.
  if (round > 0) for (const name of Object.keys(took) as (keyof Times)[]) times[name].push(took[name]);
}

const none = (): Times => ({ smallUpMs: [], smallDownMs: [], largeUpMs: [], largeDownMs: [] });

await withMlflow(async ({ service, mlflow }) => {
  const [ours, theirs] = [none(), none()];
  await artifactClient(
    { MLFLOW_TRACKING_URI: service.url, MLFLOW_TRACKING_TOKEN: service.token },
    async (toService) => {
      await artifactClient({ MLFLOW_TRACKING_URI: mlflow.url }, async (toMlflow) => {
        for (let round = 0; round <= ROUNDS; round++) {
          await measure(toService, ours, round);
          await measure(toMlflow, theirs, round);
        }
      });
    },
  );
  const ratioOf = (name: keyof Times) => median(theirs[name]) / median(ours[name]);
  const [up, down] = [ratioOf('smallUpMs'), ratioOf('smallDownMs')];
  const medians = (times: Times) =>
    Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]));
  report('artifacts', Math.min(up, down), 1, 'higher', {
    smallFiles: SMALL.files,
    smallBytes: SMALL.bytes,
    largeBytes: LARGE.bytes,
    timesMlflow: { smallUp: up, smallDown: down, largeUp: ratioOf('largeUpMs'), largeDown: ratioOf('largeDownMs') },
    service: medians(ours),
    mlflow: medians(theirs),
  });
});

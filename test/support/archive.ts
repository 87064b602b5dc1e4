import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { v7 as uuidv7 } from 'uuid';

type Line = Record<string, unknown>;

/** The content of an experiment archive, as lines; a test changes what must be unusual. */
export interface ArchiveParts {
  experiment: Line;
  runs: Line[];
  datasets: Line[];
  points: Line[];
  logs: Line[];
  models: Line[];
  'model-metrics': Line[];
  links: Line[];
  files: (Line & { bytes: string })[];
}

const AT = '2026-01-02T03:04:05.678Z';

/** An experiment with two runs, the second a child of the first, and one object of each other kind. */
export function smallArchive(): ArchiveParts {
  const [first, second, model] = [uuidv7(), uuidv7(), uuidv7()];
  const run = (id: string, name: string, parentRunId: string | null): Line => ({
    ...{ id, name, status: 'FINISHED', state: 'ACTIVE', startedAt: AT, endedAt: AT, createdAt: AT, createdBy: 'tess' },
    ...{ parentRunId, params: { lr: '0.1' }, tags: { team: 'air' } },
  });
  const ms = Date.parse(AT);
  return {
    experiment: { id: uuidv7(), name: `small ${first.slice(-6)}`, description: '', tags: {}, createdAt: AT },
    runs: [run(first, 'first', null), run(second, 'second', first)],
    datasets: [
      {
        ...{ run: first, direction: 'INPUT', name: 'data', digest: 'd1', sourceType: 'local', source: '{}' },
        ...{ schema: null, profile: null, tags: {} },
      },
    ],
    points: [{ run: first, points: [['loss', 1, ms, 0.5]] }],
    logs: [{ run: first, lines: [[1, ms, 'STDOUT', 'hello']] }],
    models: [
      {
        ...{ id: model, runId: first, name: 'net', status: 'READY', statusMessage: null, modelType: null },
        ...{ params: {}, tags: {}, state: 'ACTIVE', createdAt: AT, createdBy: 'tess' },
      },
    ],
    'model-metrics': [
      { model, run: first, key: 'loss', step: 1, ms, value: 0.5, datasetName: 'data', datasetDigest: 'd1' },
    ],
    links: [{ run: first, model, direction: 'OUTPUT', step: 0 }],
    files: [{ run: first, model: null, path: 'a.txt', bytes: 'content' }],
  };
}

/** The archive as the tar file that `exportExperiment` would have written. */
export function writeArchive({ experiment, files, ...kinds }: ArchiveParts): Promise<Buffer> {
  const tar = pack();
  const entry = (name: string, text: string) => tar.entry({ name }, text);
  entry('manifest.json', JSON.stringify({ format: 'matih-experiment', version: 1, exportedAt: AT, experiment }));
  const counts: Record<string, number> = { files: files.length };
  for (const [kind, lines] of Object.entries(kinds) as [string, Line[]][]) {
    counts[kind] = lines.length;
    if (lines.length > 0) entry(`${kind}/00001.ndjson`, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  }
  files.forEach(({ bytes, ...line }, i) => {
    const file = {
      ...{ content: i + 1, sizeBytes: Buffer.byteLength(bytes) },
      ...{ sha256: createHash('sha256').update(bytes).digest('hex'), ...line },
    };
    entry(`files/${String(i + 1).padStart(5, '0')}.ndjson`, `${JSON.stringify(file)}\n`);
    entry(`content/${i + 1}`, bytes);
  });
  entry('end.json', JSON.stringify({ counts }));
  tar.finalize();
  return buffer(tar);
}

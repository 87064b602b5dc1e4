import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack, type Pack } from 'tar-stream';
import { v7 as uuidv7 } from 'uuid';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import type { Session } from '../../db/database.js';
import {
  ARCHIVE_FORMAT,
  ARCHIVE_VERSION,
  END,
  type Line,
  type LineKind,
  MANIFEST,
  type Manifest,
  noCounts,
} from './archive-format.js';
import type { Attempt, AttemptOf, JobService } from '../jobs/index.js';
import type { StagedObjects } from '../uploads/index.js';
import { audit } from '../platform/index.js';
import type { ArtifactService } from '../artifacts/index.js';
import { requireWhole, type ExperimentService } from '../experiments/index.js';
import { ArchiveRows } from './archive-rows.js';
import { EXPERIMENT_EXPORT } from './experiment-export.job-kind.js';

interface Dependencies {
  objects: ObjectStore;
  staged: StagedObjects;
  jobs: JobService;
  artifacts: ArtifactService;
  experiments: ExperimentService;
}

/** A file of lines ends when it has this size. */
const LINES_BYTES = 4 * 1024 ** 2;

/** Writes an experiment with all its data as one archive. Memory does not grow with the size of the experiment. */
export class ArchiveExportService {
  constructor(private readonly deps: Dependencies) {}

  async start(session: Session, input: { experimentId: string }): Promise<Job> {
    const experiment = await this.deps.experiments.get(session, input.experimentId);
    requireWhole(experiment);
    const job = this.deps.jobs.create(session, EXPERIMENT_EXPORT, { input: { experimentId: experiment.id } });
    audit(session, 'exportExperiment', { type: 'experiment', id: experiment.id }, null, { jobId: job.id });
    return job;
  }

  async execute(attempt: AttemptOf<typeof EXPERIMENT_EXPORT>): Promise<void> {
    const { objects, staged, artifacts, experiments } = this.deps;
    const experiment = await attempt.read((session) => experiments.get(session, attempt.input.experimentId));
    const { id, name, description, tags, createdAt } = experiment;
    const manifest: Manifest = {
      ...{ format: ARCHIVE_FORMAT, version: ARCHIVE_VERSION, exportedAt: new Date().toISOString() },
      experiment: { id, name, description, tags, createdAt: createdAt.toISOString() },
    };
    const artifactId = uuidv7();
    const objectKey = `${attempt.job.tenant}/jobs/${attempt.job.id}/${artifactId}/experiment.tar`;
    await attempt.write((session) => staged.stage(session, objectKey));
    try {
      const archive = new ArchiveWriter(attempt, objects);
      const [stored] = await Promise.all([
        objects.put(objectKey, archive.stream),
        archive.write(manifest, new ArchiveRows(attempt, id)),
      ]);
      await attempt.succeed({ artifactId, ...stored, ...archive.counts }, async (session) => {
        await artifacts.record(session, { jobId: attempt.job.id }, 'experiment.tar', objectKey, stored, artifactId);
      });
    } catch (error) {
      await staged.discard(objectKey);
      throw error;
    }
  }
}

class ArchiveWriter {
  readonly counts = noCounts();
  readonly stream: Readable;
  private readonly tar: Pack = pack();
  private readonly now = new Date();

  constructor(
    private readonly attempt: Attempt,
    private readonly objects: ObjectStore,
  ) {
    this.stream = Readable.from(this.tar as AsyncIterable<Buffer>, { objectMode: false });
  }

  async write(manifest: Manifest, rows: ArchiveRows): Promise<void> {
    try {
      await this.entry(MANIFEST, Buffer.from(JSON.stringify(manifest)));
      await this.lines('runs', rows.runs());
      await this.lines('datasets', rows.datasets());
      await this.lines('points', rows.points());
      await this.lines('logs', rows.logs());
      await this.lines('models', rows.models());
      await this.lines('model-metrics', rows.modelMetrics());
      await this.lines('links', rows.links());
      await this.files(rows);
      await this.entry(END, Buffer.from(JSON.stringify({ counts: this.counts })));
      this.tar.finalize();
    } catch (error) {
      this.tar.destroy(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  private async lines<K extends LineKind>(kind: K, lines: AsyncIterable<Line<K>>): Promise<void> {
    let parts: string[] = [];
    let bytes = 0;
    let number = 0;
    const end = async () => {
      if (parts.length > 0)
        await this.entry(`${kind}/${String((number += 1)).padStart(5, '0')}.ndjson`, Buffer.from(parts.join('')));
      [parts, bytes] = [[], 0];
    };
    for await (const line of lines) {
      const text = `${JSON.stringify(line)}\n`;
      parts.push(text);
      bytes += text.length;
      this.counts[kind] += 1;
      if (bytes >= LINES_BYTES) await end();
    }
    await end();
    this.attempt.progress(0.5, `${this.counts.runs} runs are in the archive`);
  }

  /** Writes the line of each file, then its content. */
  private async files(rows: ArchiveRows): Promise<void> {
    for await (const { objectKey, ...line } of rows.files()) {
      this.attempt.signal.throwIfAborted();
      this.counts.files += 1;
      const file: Line<'files'> = { ...line, content: this.counts.files };
      await this.entry(
        `files/${String(file.content).padStart(5, '0')}.ndjson`,
        Buffer.from(`${JSON.stringify(file)}\n`),
      );
      await this.content(`content/${file.content}`, file.sizeBytes, await this.objects.get(objectKey));
    }
  }

  private entry(name: string, content: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.tar.entry({ name, mtime: this.now }, content, (error) => (error ? reject(error) : resolve()));
    });
  }

  private async content(name: string, size: number, content: Readable): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const entry = this.tar.entry({ name, size, mtime: this.now }, (error) => (error ? reject(error) : resolve()));
      pipeline(content, entry).catch(reject);
    });
  }
}

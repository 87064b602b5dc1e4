import { z } from 'zod';
import { askOnce, ChildLost, type ChildProgram, ChildTask, explainLoss } from '../../child-task/child-task.js';
import type { ProcessLimits } from '../../child-task/limited-process.js';
import { AppError, badInput, ErrorCode } from '../../errors.js';
import { FairQueue } from './fair-queue.js';
import type { ImportOutcome, ImportRequest, PreviewValue, Table } from './port.js';
import type { ReaderRequest } from './reader-child.js';

/** New files that are read at the same time, in all and of one tenant; others wait. */
const PROCESSES = 3;
const PROCESSES_PER_OWNER = 2;
const LONGEST_IMPORT_MS = 15 * 60_000;
const LONGEST_PREVIEW_MS = 60_000;
/** How long an idle preview process is kept, because a list of datasets needs many previews. */
const IDLE_MS = 20_000;
const MAX_HEAP_MIB = 2_048;

type Preview = Record<string, PreviewValue>[];

const reader = { name: 'dataset', entry: 'adapters/dataset-files/reader-child.js', report: z.never() };
const outcome = z.strictObject({ profile: z.looseObject({}), reading: z.looseObject({}), hasTable: z.boolean() });

const isPreviewValue = (value: unknown) => value === null || ['number', 'string', 'boolean'].includes(typeof value);

const IMPORT_PROGRAM: ChildProgram<ReaderRequest, never, ImportOutcome> = {
  ...reader,
  result: z.custom<ImportOutcome>((value) => outcome.safeParse(value).success),
};

const PREVIEW_PROGRAM: ChildProgram<ReaderRequest, never, Preview> = {
  ...reader,
  result: z.array(z.record(z.string(), z.custom<PreviewValue>(isPreviewValue))),
};

/** Reads users' files in child processes: a file may be made to crash its reader. */
export class ReaderProcesses {
  private readonly imports = new FairQueue(PROCESSES, PROCESSES_PER_OWNER);
  private readonly previews = new FairQueue(1, 1);
  private previewer: ChildTask<ReaderRequest, never, Preview> | undefined;
  private idle: NodeJS.Timeout | undefined;

  constructor(private readonly limits: ProcessLimits) {}

  /**
   * `importDataset` in a child process. Errors: the same, and RESOURCE_EXHAUSTED for a file that needs too much time or
   * memory.
   */
  import(request: ImportRequest): Promise<ImportOutcome> {
    return this.imports.run(request.owner ?? '', () =>
      askOnce(IMPORT_PROGRAM, this.options, { kind: 'IMPORT', request }, { timeLimitMs: LONGEST_IMPORT_MS }).catch(
        refuse,
      ),
    );
  }

  /** `preview` in a child process: a few bytes of Parquet may be gigabytes of text. */
  preview(table: Table, limit: number): Promise<Preview> {
    return this.previews.run('', async () => {
      clearTimeout(this.idle);
      if (!this.previewer?.isAlive) this.previewer = new ChildTask(PREVIEW_PROGRAM, this.options);
      const { previewer } = this;
      try {
        return await previewer.ask({ kind: 'PREVIEW', table, limit }, { timeLimitMs: LONGEST_PREVIEW_MS });
      } catch (error) {
        return refuse(error);
      } finally {
        this.idle = setTimeout(() => previewer.kill(), IDLE_MS).unref();
      }
    });
  }

  private get options() {
    return { limits: this.limits, maxHeapMib: MAX_HEAP_MIB };
  }
}

/** The error for a file whose reader process ended. */
function refuse(error: unknown): never {
  if (!(error instanceof ChildLost)) throw error;
  const { reason, how } = error;
  if (['SILENCE', 'START', 'CLOSED'].includes(reason)) throw explainLoss(error, reader.name);
  // When none of the service's limits was reached, the operating system may have ended the process because of memory.
  const tookTooMuch = ['MEMORY', 'CPU', 'TIME'].includes(reason) || how === 'signal SIGKILL';
  if (tookTooMuch)
    throw new AppError(
      ErrorCode.RESOURCE_EXHAUSTED,
      'Reading this file takes too much time or memory.',
      { field: 'file' },
      { cause: error },
    );
  throw badInput('file', 'a file that can be read', `one that ended its reader (${how})`);
}

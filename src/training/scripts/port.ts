import type { PrintedLine } from '../../child-task/printing-program.js';
import type { OutsideFiles } from '../port.js';

/** Where a script runs: on this machine, or on the Ray cluster. */
export type ScriptPlace = 'LOCAL' | 'RAY';

export interface ScriptRequest {
  /** A zip that `checkArchive` has accepted. */
  archivePath: string;
  /** A command line of the shell, in the folder of the archive's files. */
  command: string;
  /** An existing folder only for this attempt. The caller removes it. */
  workDir: string;
  /** The run as MLflow's clients name it: 32 hexadecimal digits. */
  runId: string;
  /** More environment variables. */
  variables: Readonly<Record<string, string>>;
  /** A Parquet file that the script may read. */
  datasetPath?: string;
  cores: number;
  memoryBytes: number;
  /**
   * The attempt that starts the script, or that goes on watching it on a cluster. Its token allows what belongs to this
   * run, and nothing else; a new one ends those before it.
   */
  outside: OutsideFiles;
  /** How many lines of running work on a cluster the run has already. */
  shownLines: number;
  signal: AbortSignal;
  onProgress(message: string): void;
  /** `shownLines`: how many lines of work on a cluster the run has with these. */
  onLines(lines: PrintedLine[], shownLines?: number): Promise<void>;
}

export interface ScriptBackend {
  /** Why no script can run now, as a sentence that says what to do; null when one can. */
  problem(): Promise<string | null>;
  /**
   * Resolves when the script has ended well. Rejects with an AppError that says why it did not, and with the reason of
   * the signal when that has aborted.
   */
  run(request: ScriptRequest): Promise<void>;
}

export interface ScriptBackends {
  /** Checks an uploaded zip before anything is unpacked. BAD_USER_INPUT says what is wrong with it. */
  checkArchive(path: string, field: string): Promise<void>;
  /** Null when there is no such place. */
  backend(place: ScriptPlace): ScriptBackend | null;
}

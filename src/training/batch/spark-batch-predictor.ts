import { access, constants, copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LimitedProcess, type ProcessEnd } from '../../child-task/limited-process.js';
import { AppError, ErrorCode } from '../../errors.js';
import { pythonPackage, SPARK_PROGRAM } from '../ray/python-package.js';
import { BatchFiles, type PartFiles } from './batch-files.js';
import type { BatchPredictor, BatchRequest } from './port.js';

export interface SparkOptions {
  /** The program `spark-submit`. */
  submitPath: string;
  /** Its `--master`; that of its own configuration when absent. */
  master: string | undefined;
  /** Where the executors reach this service; undefined when nobody has said it. */
  publicUrl: string | undefined;
  /** The environment from which Spark's own variables are taken. */
  environment: NodeJS.ProcessEnv;
}

const POLL_MS = 1_000;
/** Spark prints much, and its driver may only wait for its executors. */
const LIMITS = { silenceMs: 24 * 60 * 60_000, outputBytes: 1024 ** 3 };
const SHOWN_LOG_LINES = 20;
const NO_HOME =
  'SPARK_HOME names no Spark: set it to the folder of the Spark to which SPARK_SUBMIT belongs, or remove it.';
/** What Spark prints before it gives up because of its settings or its cluster, in words of this service. */
const CAUSES: readonly { sign: RegExp; says: string }[] = [
  {
    sign: /All masters are unresponsive/,
    says: 'Spark does not answer at SPARK_MASTER: check that it runs there, and that this service reaches it.',
  },
  {
    sign: /Could not parse Master URL|Master must either be|Invalid master URL/,
    says: 'Spark does not know the value of SPARK_MASTER: set it to an address like spark://host:7077, or to local[4].',
  },
  { sign: /bin\/spark-class: No such file/, says: NO_HOME },
  {
    sign: /JAVA_HOME is not set|\/bin\/java: No such file|UnsupportedClassVersionError/,
    says: 'Spark finds no Java that it can use: install Java 17 or newer, and set JAVA_HOME of this service to it.',
  },
  {
    sign: /PySpark was not found|No module named|Cannot run program "[^"]*python/,
    says: 'The Python of Spark lacks a package: set PYSPARK_PYTHON to one with PySpark, pandas, PyArrow, ONNX Runtime.',
  },
];
/** No sign is longer. */
const SIGN_CHARACTERS = 500;
/** What Spark and Java read; secrets of this service are not among them. */
const OF_SPARK = /^(PATH|HOME|LANG|LC_ALL|TZ|JAVA_HOME|KUBECONFIG|(SPARK|PYSPARK|HADOOP|YARN)_.*)$/;

/**
 * Predicts by a program of Spark, whose driver is a child process of this service. It ends with its attempt; the next
 * one begins new work with the parts that are not stored.
 */
export class SparkBatchPredictor implements BatchPredictor {
  readonly name = 'spark';

  constructor(
    private readonly options: SparkOptions,
    private readonly files: PartFiles,
  ) {}

  async problem(): Promise<string | null> {
    if (!this.options.publicUrl)
      return 'Work on Spark reports to PUBLIC_URL: set it to an address at which the executors reach this service.';
    const { submitPath, environment } = this.options;
    if (!(await canRun(submitPath)))
      return 'SPARK_SUBMIT names no program that this service can run: set it to the path of spark-submit.';
    const home = environment['SPARK_HOME'];
    if (home && !(await canRun(join(home, 'bin', 'spark-class')))) return NO_HOME;
    return null;
  }

  async predict(request: BatchRequest, signal: AbortSignal): Promise<void> {
    const { outside } = request;
    const batch = new BatchFiles(this.files, request);
    await batch.give(signal);
    await outside.attach(outside.id, 'SUBMITTING');
    request.onWaiting('Waiting for Spark');
    const token = await outside.token();
    const redacted = (text: string) => text.replaceAll(token, '(hidden)');
    const causes = new Causes();
    const driver = await this.start(request, token, causes);
    try {
      await outside.attach(outside.id, 'RUNNING');
      const end = await this.watch(driver, () => batch.take(outside.id), signal);
      // What is predicted stays, however the work has ended.
      await batch.take(outside.id);
      const result = await batch.resultOf(outside.id, redacted).catch(async (error: unknown) => {
        await outside.attach(outside.id, 'FAILED');
        throw error;
      });
      await outside.attach(outside.id, result ? 'SUCCEEDED' : 'FAILED');
      if (!result) throw lost(outside, end, causes, redacted);
      if (!batch.isComplete)
        throw new AppError(ErrorCode.UNAVAILABLE, 'Predictions that the work has stored are gone.');
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw error;
    } finally {
      driver.kill();
      await driver.ended;
    }
  }

  private async start({ outside, workDir }: BatchRequest, token: string, causes: Causes): Promise<LimitedProcess> {
    const { submitPath, master, publicUrl, environment } = this.options;
    const code = join(workDir, 'matih_ml.zip');
    await writeFile(code, (await pythonPackage()).zip);
    const program = join(workDir, 'on_spark.py');
    await copyFile(SPARK_PROGRAM, program);
    const own = Object.entries(environment).filter(([name]) => OF_SPARK.test(name));
    return new LimitedProcess({
      command: [
        ...[submitPath, ...(master === undefined ? [] : ['--master', master])],
        ...['--name', outside.id, '--py-files', code, program],
      ],
      cwd: workDir,
      env: {
        ...Object.fromEntries(own),
        ...{ MATIH_URL: publicUrl, MATIH_JOB_ID: outside.jobId, MATIH_JOB_TOKEN: token },
      },
      limits: LIMITS,
      onText: (_stream, text) => causes.read(text),
    });
  }

  /** Calls `poll` about every second until the driver ends. */
  private async watch(driver: LimitedProcess, poll: () => Promise<void>, signal: AbortSignal): Promise<ProcessEnd> {
    for (;;) {
      const end = await Promise.race([driver.ended, sleep(POLL_MS, null, { signal })]);
      if (end) return end;
      await poll();
    }
  }
}

/** Finds the first known cause in what Spark prints. */
class Causes {
  first: string | undefined;
  private last = '';

  read(text: string): void {
    const known = this.last + text;
    this.first ??= CAUSES.find(({ sign }) => sign.test(known))?.says;
    this.last = known.slice(-SIGN_CHARACTERS);
  }
}

function lost(
  outside: BatchRequest['outside'],
  { how, complaint }: ProcessEnd,
  { first }: Causes,
  redacted: (text: string) => string,
): AppError {
  const lines = redacted(complaint).trimEnd().split('\n').slice(-SHOWN_LOG_LINES);
  for (const line of lines) outside.note(`Spark: ${line}`);
  return new AppError(ErrorCode.UNAVAILABLE, first ?? `The program of Spark ended without a result (${how}).`);
}

async function canRun(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

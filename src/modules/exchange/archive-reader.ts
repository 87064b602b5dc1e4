import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { extract } from 'tar-stream';
import type { z } from 'zod';
import {
  ARCHIVE_FORMAT,
  ARCHIVE_VERSION,
  type ArchiveCounts,
  endSchema,
  entryOf,
  type Line,
  type LineKind,
  LINES,
  type Manifest,
  manifestSchema,
  MAX_FILES,
  MAX_LINES_BYTES,
  MAX_RUNS,
  noCounts,
} from './archive-format.js';
import { AppError, badInput, ErrorCode, quote } from '../../errors.js';

/** Receives the content of an archive, in order. */
export interface ArchiveVisitor {
  manifest(manifest: Manifest): Promise<void>;
  /** `file` is the name of the file with the lines; the lines come in the order of the file. */
  lines<K extends LineKind>(kind: K, lines: Line<K>[], file: string): Promise<void>;
  content(content: number, bytes: AsyncIterable<Buffer>): Promise<void>;
}

/**
 * Reads an archive from beginning to end. BAD_USER_INPUT for the first content that the archives of this service never
 * have.
 */
export async function readArchive(
  source: Readable,
  visitor: ArchiveVisitor,
  signal: AbortSignal,
): Promise<ArchiveCounts> {
  const tar = extract();
  source.on('error', (error) => tar.destroy(error));
  source.pipe(tar);
  const counts = noCounts();
  let hasManifest = false;
  let hasEnded = false;
  try {
    for await (const entry of tar) {
      signal.throwIfAborted();
      const { name, type, size = 0 } = entry.header;
      const what = type === 'file' || type === 'contiguous-file' ? entryOf(name) : null;
      if (what === null)
        throw notOurs(`${quote(name)} is ${type === 'file' ? 'no file of such an archive' : `a ${type}`}`);
      if (hasEnded) throw notOurs(`${quote(name)} comes after its end`);
      if (!hasManifest && what !== 'manifest') throw notOurs('it does not begin with manifest.json');
      const bytes = entry as AsyncIterable<Buffer>;
      if (what === 'manifest') {
        if (hasManifest) throw notOurs('it has two manifests');
        hasManifest = true;
        await visitor.manifest(toManifest(await readText(name, size, bytes)));
      } else if (what === 'end') {
        hasEnded = true;
        const { counts: told } = parse(name, endSchema, parseJson(name, await readText(name, size, bytes)));
        for (const [kind, count] of Object.entries(told))
          if (counts[kind as LineKind] !== count)
            throw notOurs(`it should have ${count} lines of ${kind} and has ${counts[kind as LineKind]}`);
      } else if ('content' in what) await visitor.content(what.content, bytes);
      else {
        const { kind } = what;
        const lines = toLines(name, kind, await readText(name, size, bytes));
        counts[kind] += lines.length;
        if (counts.runs > MAX_RUNS) throw notOurs(`it has more than ${MAX_RUNS} runs`);
        if (counts.files > MAX_FILES) throw notOurs(`it has more than ${MAX_FILES} files`);
        await visitor.lines(kind, lines, name);
      }
    }
  } catch (error) {
    source.destroy();
    if (error instanceof AppError || signal.aborted || !isOfTar(error)) throw error;
    throw notOurs(`it is no whole tar archive (${(error as Error).message})`);
  }
  if (!hasEnded) throw notOurs('its end is missing');
  return counts;
}

/** Recognizes errors of tar-stream by their text, because they have no class of their own. */
function isOfTar(error: unknown): boolean {
  return error instanceof Error && /tar header|Invalid|Unexpected end|premature/i.test(error.message);
}

/** The first pass. It finds everything that can be wrong before anything is written. */
export class ArchiveCheck implements ArchiveVisitor {
  readonly ids: { experiment: string; runs: Set<string>; models: Set<string> } = {
    experiment: '',
    runs: new Set(),
    models: new Set(),
  };
  name = '';
  experiment!: Manifest['experiment'];
  private readonly paths = new Set<string>();
  /** The parent of each run that has one, and the place where the archive names it. */
  private readonly parents = new Map<string, { parent: string; where: string }>();
  /** For each run with logs, the number of its last line. */
  private readonly lastLogLines = new Map<string, number>();
  private awaited: Line<'files'> | null = null;

  manifest({ experiment }: Manifest): Promise<void> {
    this.ids.experiment = experiment.id;
    this.name = experiment.name;
    this.experiment = experiment;
    return Promise.resolve();
  }

  lines<K extends LineKind>(kind: K, lines: Line<K>[], file: string): Promise<void> {
    lines.forEach((line, i) => this.check(`${file} line ${i + 1}`, kind, line as Line<LineKind>));
    return Promise.resolve();
  }

  async content(content: number, bytes: AsyncIterable<Buffer>): Promise<void> {
    const told = this.awaited;
    this.awaited = null;
    if (told?.content !== content) throw notOurs(`nothing tells what content/${content} is`);
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of bytes) {
      hash.update(chunk);
      size += chunk.length;
    }
    const sha256 = hash.digest('hex');
    if (size !== told.sizeBytes || sha256 !== told.sha256) {
      throw notOurs(
        `${quote(told.path)} has changed: ${told.sizeBytes} bytes with SHA-256 ${told.sha256} were archived, ` +
          `${size} with ${sha256} are here`,
      );
    }
  }

  private check(where: string, kind: LineKind, line: Line<LineKind>): void {
    if (this.awaited) throw notOurs(`the content of ${quote(this.awaited.path)} is missing`);
    const { runs, models } = this.ids;
    const add = (ids: Set<string>, id: string) => {
      if (ids.has(id)) throw notOurs(`${where}: id: the id ${id} stands there twice`);
      ids.add(id);
    };
    const absent = (field: string, id: string) =>
      notOurs(`${where}: ${field}: expected one of the archive, got ${id}, which is not there`);
    if ('id' in line) add(kind === 'runs' ? runs : models, line.id);
    if ('run' in line && line.run !== null && !runs.has(line.run)) throw absent('run', line.run);
    if ('model' in line && line.model !== null && !models.has(line.model)) throw absent('model', line.model);
    if ('runId' in line && line.runId !== null && !runs.has(line.runId)) throw absent('runId', line.runId);
    if ('parentRunId' in line && line.parentRunId !== null)
      this.parents.set(line.id, { parent: line.parentRunId, where });
    if ('lines' in line) this.checkOrder(where, line);
    if ('path' in line) {
      if ((line.run === null) === (line.model === null))
        throw notOurs(`${where}: run: ${quote(line.path)} belongs to a run or a logged model`);
      const place = `${line.run ?? line.model} ${line.path}`;
      if (this.paths.has(place)) throw notOurs(`${where}: path: there are two files at ${quote(line.path)}`);
      this.paths.add(place);
      this.awaited = line;
    }
  }

  private checkOrder(where: string, { run, lines }: Line<'logs'>): void {
    let last = this.lastLogLines.get(run) ?? 0;
    for (const [i, [seq]] of lines.entries()) {
      if (seq <= last) throw notOurs(`${where}: lines.${i}.0: expected a number above ${last}, got ${seq}`);
      last = seq;
    }
    this.lastLogLines.set(run, last);
  }

  /** A run must not be its own ancestor. Parents outside the archive are ignored. */
  private checkParents(): void {
    const sound = new Set<string>();
    for (const start of this.parents.keys()) {
      const line = new Set<string>();
      for (let id = start; !sound.has(id);) {
        line.add(id);
        const above = this.parents.get(id);
        if (!above) break;
        if (line.has(above.parent))
          throw notOurs(`${above.where}: parentRunId: expected a run that is not below this one, got ${above.parent}`);
        id = above.parent;
      }
      for (const id of line) sound.add(id);
    }
  }

  /** Called after the last entry. */
  finish(): void {
    if (this.awaited) throw notOurs(`the content of ${quote(this.awaited.path)} is missing`);
    this.checkParents();
  }
}

function toManifest(text: string): Manifest {
  const json = parseJson('manifest.json', text);
  const version = typeof json === 'object' && json !== null ? (Reflect.get(json, 'version') as unknown) : null;
  if (typeof version === 'number' && version > ARCHIVE_VERSION) {
    throw notOurs(
      `it is of format version ${version}, and this service reads up to ${ARCHIVE_VERSION}: use a newer one`,
    );
  }
  return parse('manifest.json', manifestSchema, json);
}

function toLines<K extends LineKind>(name: string, kind: K, text: string): Line<K>[] {
  const lines = text.split('\n');
  if (lines.pop() !== '') throw notOurs(`${name} ends in the middle of a line`);
  const schema: z.ZodType = LINES[kind];
  return lines.map((line, i) => {
    const where = `${name} line ${i + 1}`;
    return parse(where, schema, parseJson(where, line)) as Line<K>;
  });
}

async function readText(name: string, size: number, bytes: AsyncIterable<Buffer>): Promise<string> {
  if (size > MAX_LINES_BYTES) throw notOurs(`${name} has more than ${MAX_LINES_BYTES} bytes`);
  const parts: Buffer[] = [];
  for await (const chunk of bytes) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

function parseJson(where: string, text: string): unknown {
  try {
    return JSON.parse(text, (key, value: unknown) => storable(where, key, value)) as unknown;
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw notOurs(`${where} is no JSON`);
  }
}

/** PostgreSQL cannot store NUL characters and halves of characters. */
function storable(where: string, key: string, value: unknown): unknown {
  const isWrong = (text: string) => text.includes('\0') || !text.isWellFormed();
  if (isWrong(key) || (typeof value === 'string' && isWrong(value)))
    throw notOurs(`${where}: ${quote(key)}: a text has a NUL or half a character`);
  return value;
}

function parse<T>(where: string, schema: z.ZodType<T>, json: unknown): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw notOurs(`${where}: ${issue?.path.join('.') || 'the whole'}: ${issue?.message}`);
}

function notOurs(reason: string): AppError {
  const { details } = badInput('input.uploadId', `an archive of exportExperiment (${ARCHIVE_FORMAT})`, reason);
  return new AppError(ErrorCode.BAD_USER_INPUT, `The archive cannot be imported: ${reason}.`, details);
}

import { inWords } from '../../../graphiql/src/steps.js';

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const MLFLOW_ID = /\bm-[0-9a-f]{32}\b/g;
const INSTANT = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g;
const SECRET = /whsec_[A-Za-z0-9+/]+=*/g;
const TOKEN = /eyJ[\w-]+\.[\w-]+\.[\w-]+/g;
const HASH = /\b[0-9a-f]{64}\b/g;
const SIGNED = /\/objects\/[^\s"?]+\?expires=[^\s"]+/g;
/** Milliseconds and bytes that were measured, not set. */
const MEASURED = /^(latency(P95)?Ms|sizeBytes)$/;
const LATENCY_CHECK = 'latency_p95_ms';
const SHOWN_ITEMS = 3;

/** Replaces what differs from run to run by fixed words: ids, times, hashes, measured durations and sizes. */
export class Placeholders {
  private readonly names = new Map<string, string>();
  private readonly counts = new Map<string, number>();
  /** Sequence numbers of the shown log, which depend on other events. */
  private sequence = new Map<number, string>();
  private isExact = false;

  /** Starts the sequence numbers again; those of an exact log are shown as they are. */
  newLog(isExact: boolean): void {
    this.sequence = new Map();
    this.isExact = isExact;
  }

  /** The id behind a placeholder, such as `run 1`. */
  idOf(label: string): string | undefined {
    return [...this.names].find(([, name]) => name === `<id of ${label}>`)?.[0];
  }

  apply(value: unknown, key = '', parent = ''): unknown {
    if (key === 'endCursor' && value !== null) return '<cursor>';
    if (typeof value === 'string') return this.text(value, key === 'id' ? parent : key.replace(/Ids?$/, ''));
    if (typeof value === 'number') return this.number(value, key);
    if (Array.isArray(value)) {
      const shown = value.length > SHOWN_ITEMS + 1 ? value.slice(0, SHOWN_ITEMS) : value;
      const items = shown.map((item) => this.apply(item, key, key === 'nodes' || key === 'edges' ? parent : key));
      return shown.length === value.length ? items : [...items, `… ${value.length - SHOWN_ITEMS} more`];
    }
    if (value === null || typeof value !== 'object') return value;
    const owner = key === 'nodes' || key === 'edges' || key === 'node' ? parent : key;
    const fields = Object.entries(value);
    if (fields.some(([, item]) => item === LATENCY_CHECK)) return { ...value, got: '<ms>' };
    // A subject gets the name of its kind, if the same answer has it.
    const last = fields.filter(([name]) => name === 'subjectId');
    const shown = new Map(
      [...fields.filter(([name]) => name !== 'subjectId'), ...last].map(([name, item]) => [
        name,
        this.apply(item, name, owner),
      ]),
    );
    return Object.fromEntries(fields.map(([name]) => [name, shown.get(name)]));
  }

  private number(value: number, key: string): unknown {
    if (MEASURED.test(key)) return `<${key.endsWith('Bytes') ? 'bytes' : 'ms'}>`;
    if (!this.isExact && (key === 'seq' || (key === 'after' && value > 0))) {
      if (!this.sequence.has(value)) this.sequence.set(value, `<seq ${this.sequence.size + 1}>`);
      return this.sequence.get(value);
    }
    return rounded(value);
  }

  private text(text: string, subject: string): string {
    return text
      .replace(SIGNED, '/objects/<signed>')
      .replace(UUID, (id) => this.placeholder(id, subject))
      .replace(MLFLOW_ID, 'm-<32 hex digits>')
      .replace(INSTANT, '<time>')
      .replace(HASH, '<sha256>')
      .replace(SECRET, '<secret>')
      .replace(TOKEN, '<token>')
      .replace(/http:\/\/127\.0\.0\.1:\d+/g, 'http://127.0.0.1:8000');
  }

  private placeholder(id: string, subject: string): string {
    const known = this.names.get(id);
    if (known) return known;
    const words = inWords(subject.replace(/s$/, '')) || 'object';
    const count = (this.counts.get(words) ?? 0) + 1;
    this.counts.set(words, count);
    const name = `<id of ${words === 'request' ? 'the request' : `${words} ${count}`}>`;
    this.names.set(id, name);
    return name;
  }
}

function rounded(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(3));
}

/** The output for a person: steps with their durations, curves, tables. Silent when the output is for a script. */
export class Terminal {
  private readonly fancy = process.stdout.isTTY === true;
  private liveLines = 0;

  private readonly silent: boolean;

  constructor(silent: boolean) {
    this.silent = silent;
  }

  title(text: string): void {
    this.line(`\n${this.style('1', text)}`);
  }

  line(text = ''): void {
    if (this.silent) return;
    this.endLive();
    process.stdout.write(`${text}\n`);
  }

  step(number: number, name: string): void {
    this.line(`\n${this.style('36;1', `${String(number).padStart(2)}`)} ${this.style('1', name)}`);
  }

  done(ms: number): void {
    this.line(this.style('2', `   ✓ ${duration(ms)}`));
  }

  failed(message: string): void {
    this.line(this.style('31;1', `   ✗ ${message}`));
  }

  note(text: string): void {
    this.line(`   ${text}`);
  }

  /** Prints lines that the next call replaces; without a terminal only the last state is printed. */
  live(lines: string[]): void {
    if (this.silent || !this.fancy) return;
    const up = this.liveLines > 0 ? `\x1b[${this.liveLines}A` : '';
    process.stdout.write(up + lines.map((line) => `\x1b[2K   ${line}\n`).join(''));
    this.liveLines = lines.length;
  }

  endLive(): void {
    this.liveLines = 0;
  }

  table(rows: string[][]): void {
    const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
    rows.forEach((row, i) => {
      const text = row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('   ');
      this.note(i === 0 ? this.style('2', text) : text);
    });
  }

  style(code: string, text: string): string {
    return this.fancy ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}

const BLOCKS = '▁▂▃▄▅▆▇█';

/** A curve as one line of block characters. */
export function sparkline(values: number[], width = 48): string {
  const shown = values.slice(-width);
  const low = Math.min(...shown);
  const span = Math.max(...shown) - low || 1;
  return shown.map((value) => BLOCKS[Math.round(((value - low) / span) * (BLOCKS.length - 1))]).join('');
}

export function bar(share: number, width = 30): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return `${'█'.repeat(full)}${'░'.repeat(width - full)} ${(share * 100).toFixed(0).padStart(3)} %`;
}

export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 60_000
    ? `${(ms / 1_000).toFixed(1)} s`
    : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`;
}

export function count(value: number): string {
  return value.toLocaleString('en-US');
}

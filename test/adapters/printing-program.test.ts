import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  LineReader,
  type PrintedLine,
  PrintingProgram,
  type PrintingProgramOptions,
} from '../../src/child-task/printing-program.js';

/** A program in JavaScript, whose lines are collected. */
function start(code: string, more: Partial<PrintingProgramOptions> = {}) {
  const lines: PrintedLine[] = [];
  const program = new PrintingProgram({
    command: [process.execPath, '-e', code],
    cwd: '/',
    env: {},
    limits: { silenceMs: 20_000, ...more.limits },
    watchesTree: true,
    onLines: async (fresh) => void lines.push(...fresh),
    ...more,
  });
  return { program, lines, texts: () => lines.map(({ line }) => line) };
}

const inPieces = (pieces: readonly string[]) => {
  const reader = new LineReader();
  return [...pieces.flatMap((piece) => reader.read(piece)), ...reader.rest()];
};

describe('lines of text', () => {
  it('are the same however the text arrives', () => {
    const text = fc.array(fc.constantFrom('a', 'bc', '\n', '\r\n', '\r', 'long'.repeat(400)), { maxLength: 40 });
    fc.assert(
      fc.property(text, fc.array(fc.nat(), { maxLength: 10 }), (parts, cuts) => {
        const whole = parts.join('');
        const places = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((a, b) => a - b);
        const pieces = [...places, whole.length].map((to, i) => whole.slice(i === 0 ? 0 : places[i - 1], to));
        expect(inPieces(pieces)).toEqual(inPieces([whole]));
      }),
    );
  });

  it('keep the last state of a progress bar, and no text that cannot be stored', () => {
    expect(inPieces(['start\r\n10 %\r', '50 %\r', '100 %\nend'])).toEqual(['start', '100 %', 'end']);
    expect(inPieces(['a\0b\n', `${'x'.repeat(3_000)}${'y'.repeat(3_000)}\n`, '\ud800\n'])).toEqual([
      'a\u{FFFD}b',
      'x'.repeat(2_000),
      '\u{FFFD}',
    ]);
  });
});

describe('a program that prints', () => {
  it('passes on its lines while it runs, in order, and how it ended', async () => {
    const { program, lines, texts } = start(
      'console.log("one"); console.error("two"); setTimeout(() => { console.log("three"); process.exit(3) }, 1500)',
    );
    await expect.poll(texts, { timeout: 5_000 }).toEqual(expect.arrayContaining(['one', 'two']));
    expect(texts()).not.toContain('three');
    expect(await program.ended).toMatchObject({ reason: 'EXIT', how: 'exit code 3', complaint: 'two\n' });
    expect(lines.map(({ line, stream }) => `${stream} ${line}`).sort()).toEqual([
      'STDERR two',
      'STDOUT one',
      'STDOUT three',
    ]);
  });

  it('waits while its lines are handled slowly; none is lost', async () => {
    const seen: string[] = [];
    const { program } = start('for (let i = 0; i < 30000; i++) console.log("line " + i)', {
      onLines: async (lines) => {
        expect(lines.length).toBeLessThanOrEqual(1_000);
        await sleep(5);
        seen.push(...lines.map(({ line }) => line));
      },
    });
    expect(await program.ended).toMatchObject({ how: 'exit code 0' });
    expect(seen).toEqual(Array.from({ length: 30_000 }, (_, i) => `line ${i}`));
  });

  it('is ended when it floods its output, when too many processes run, or when its lines cannot be handled', async () => {
    const flood = start('', { command: ['yes', 'x'.repeat(500)], limits: { silenceMs: 20_000, outputBytes: 1e6 } });
    expect(await flood.program.ended).toMatchObject({ reason: 'OUTPUT' });
    expect(flood.lines.length).toBeLessThanOrEqual(2_000);
    const forks = start(
      'for (let i = 0; i < 8; i++) require("node:child_process").spawn("sleep", ["60"]); setTimeout(() => {}, 60000)',
      { limits: { silenceMs: 20_000, processes: 5 } },
    );
    expect(await forks.program.ended).toMatchObject({ reason: 'PROCESSES' });
    const refused = start('for (;;) console.log("x")', { onLines: () => Promise.reject(new Error('no database')) });
    await expect(refused.program.ended).rejects.toThrow('no database');
  });

  it('has time to end when it is asked to, and is ended when it does not', async () => {
    const polite = start(
      'process.on("SIGTERM", () => { console.log("saved"); process.exit(0) }); console.log("ready"); setTimeout(() => {}, 60000)',
    );
    await expect.poll(polite.texts, { timeout: 5_000 }).toEqual(['ready']);
    polite.program.terminate(10_000);
    expect(await polite.program.ended).toMatchObject({ how: 'exit code 0' });
    expect(polite.texts()).toEqual(['ready', 'saved']);
    const deaf = start('process.on("SIGTERM", () => {}); console.log("ready"); setInterval(() => {}, 1000)');
    await expect.poll(deaf.texts, { timeout: 5_000 }).toEqual(['ready']);
    deaf.program.terminate(500);
    expect(await deaf.program.ended).toMatchObject({ reason: 'CLOSED', how: 'signal SIGKILL' });
  });
});

import type { Terminal } from './terminal.ts';

export type Figures = Record<string, string | number | boolean>;

export interface StepResult {
  name: string;
  ok: boolean;
  ms: number;
  figures: Figures;
}

/** The steps of the demo, each with its duration. The first step that fails ends the demo. */
export class Walk {
  readonly steps: StepResult[] = [];

  private readonly terminal: Terminal;

  constructor(terminal: Terminal) {
    this.terminal = terminal;
  }

  async step(name: string, work: () => Promise<Figures>): Promise<void> {
    this.terminal.step(this.steps.length + 1, name);
    const startedAt = performance.now();
    try {
      const figures = await work();
      const ms = Math.round(performance.now() - startedAt);
      this.steps.push({ name, ok: true, ms, figures });
      this.terminal.done(ms);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.steps.push({ name, ok: false, ms: Math.round(performance.now() - startedAt), figures: { error: message } });
      this.terminal.failed(message);
      throw error;
    }
  }
}

/** A condition of the demo; the sentence is the error when it is false. */
export function must(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new Error(sentence);
}

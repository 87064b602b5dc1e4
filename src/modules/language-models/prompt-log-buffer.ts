import { LRUCache } from 'lru-cache';
import { PromptLog } from '../../db/entities/language-models/prompt-log.entity.js';
import { PromptLogging } from '../../db/entities/language-models/prompt-logging.entity.js';
import type { Database } from '../../db/database.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { Prompt } from '../model-contract/index.js';
import { redact, type SecretKind } from './rules/redaction.js';

/** What an endpoint logs. */
export interface LoggingRule {
  sampleRate: number;
  redactPrompt: readonly SecretKind[];
  redactAnswer: readonly SecretKind[];
}

export type LoggedPrompt = Omit<PromptLog, 'id' | 'createdAt'>;

/** Of a prompt and of an answer, each. */
export const MAX_LOGGED_CHARACTERS = 100_000;
/** More than any pattern of the redaction matches. */
const LONGEST_SECRET = 1_000;
/** So much of an answer is collected, so that what is logged of it can be redacted. */
export const MAX_COLLECTED_CHARACTERS = MAX_LOGGED_CHARACTERS + LONGEST_SECRET;
const MAX_WAITING = 1_000;
const MAX_WAITING_CHARACTERS = 50_000_000;
const ROWS_PER_STATEMENT = 50;
const MAX_RULES = 10_000;
const RULE_AGE_MS = 1_000;

/** Prompts and answers that wait to be logged: limited in memory, redacted before they wait, written in bulk. */
export class PromptLogBuffer {
  /** Those that found the buffer full, or that the database refused. */
  dropped = 0;
  private waiting: LoggedPrompt[] = [];
  private characters = 0;
  private readonly rules = new LRUCache<string, { rule: LoggingRule | null }>({ max: MAX_RULES, ttl: RULE_AGE_MS });

  constructor(private readonly db: Database) {}

  /** Null when the endpoint logs nothing, also when nobody can tell because the database is away. */
  async ruleOf(endpointId: string): Promise<LoggingRule | null> {
    const known = this.rules.get(endpointId);
    if (known) return known.rule;
    try {
      const rule = await this.db.asSystem((em) => em.findOne(PromptLogging, { endpointId }));
      this.rules.set(endpointId, { rule });
      return rule;
    } catch {
      return null;
    }
  }

  offer(rule: LoggingRule, given: LoggedPrompt): void {
    const row = {
      ...given,
      prompt: redacted(given.prompt, rule),
      answer: redactedAnswer(given.answer, rule),
    };
    const length = charactersOf(row);
    if (this.waiting.length >= MAX_WAITING || this.characters + length > MAX_WAITING_CHARACTERS) {
      this.dropped++;
      return;
    }
    this.waiting.push(row);
    this.characters += length;
  }

  /** While the database is away they wait for the next call. */
  async flush(): Promise<void> {
    while (this.waiting.length > 0) {
      const rows = this.waiting.slice(0, ROWS_PER_STATEMENT);
      const refusal = await this.write(rows).catch((error: unknown) => error);
      if (refusal instanceof AppError && refusal.code === ErrorCode.UNAVAILABLE) throw refusal;
      this.waiting.splice(0, rows.length);
      for (const row of rows) this.characters -= charactersOf(row);
      if (refusal) {
        this.dropped += rows.length;
        throw refusal;
      }
    }
  }

  private async write(rows: readonly LoggedPrompt[]): Promise<void> {
    await this.db.asSystem(async (em) => {
      for (const row of rows) em.create(PromptLog, row);
      await em.flush();
    });
  }
}

function redacted(prompt: Prompt, { redactPrompt }: LoggingRule): Prompt {
  let left = MAX_LOGGED_CHARACTERS;
  const shown = (text: string) => {
    // Redacted as a whole: a cut may part a secret, and a part is not recognised.
    const cut = redact(storable(text), redactPrompt).slice(0, left).toWellFormed();
    left -= cut.length;
    return cut;
  };
  return prompt.kind === 'CHAT'
    ? { kind: 'CHAT', messages: prompt.messages.map(({ role, content }) => ({ role, content: shown(content) })) }
    : { kind: 'COMPLETION', text: shown(prompt.text) };
}

/** The end of an answer that was not collected to its end may be a part of a secret. */
function redactedAnswer(collected: string, { redactAnswer }: LoggingRule): string {
  const whole = redact(storable(collected), redactAnswer);
  const isCut = collected.length >= MAX_COLLECTED_CHARACTERS;
  const known = isCut ? whole.slice(0, -LONGEST_SECRET) : whole;
  return known.slice(0, MAX_LOGGED_CHARACTERS).toWellFormed();
}

/** Text as the database takes it: a model may write anything, and a cut may part a pair of surrogates. */
const storable = (text: string) => text.replaceAll('\0', '\ufffd').toWellFormed();

function charactersOf({ prompt, answer }: LoggedPrompt): number {
  const texts = prompt.kind === 'CHAT' ? prompt.messages.map(({ content }) => content) : [prompt.text];
  return texts.reduce((sum, { length }) => sum + length, answer.length);
}

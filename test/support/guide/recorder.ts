import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { getOperationAST, Kind, parse, print } from 'graphql';
import { expect } from 'vitest';
import type * as documents from '../../../schema/generated/operations.js';
import type { Caller, TestService } from '../service.js';
import { Role } from '../../../src/modules/core/rules/principal.js';
import { Placeholders } from './placeholders.js';
import { inWords } from '../../../graphiql/src/steps.js';
import { compactJson } from './text.js';

const OPERATIONS = fileURLToPath(new URL('../../../schema/operations/', import.meta.url));

/** The documents that guide, demo and quickstart share, by file name. */
export const operations: ReadonlyMap<string, string> = new Map(
  readdirSync(OPERATIONS)
    .filter((file) => file.endsWith('.graphql'))
    .sort()
    .map((file) => [file.replace('.graphql', ''), readFileSync(OPERATIONS + file, 'utf8').trim()]),
);

/** A document with a normalized layout. */
export const normalised = (document: string): string => print(parse(document));

const PATIENCE_MS = 60_000;

type Variables = Record<string, unknown>;
type Documents = typeof documents;
/** Name of a file of schema/operations, which is the name of its operation too. */
type OperationName = {
  [Key in keyof Documents]: Key extends `${infer Name}Document` ? Uncapitalize<Name> : never;
}[keyof Documents];
type DocumentOf<Name extends OperationName> = Documents[`${Capitalize<Name>}Document` & keyof Documents];
type AnswerOf<Name extends OperationName> =
  DocumentOf<Name> extends { __apiType?: (variables: never) => infer Answer } ? Answer : never;
type VariablesOf<Name extends OperationName> =
  DocumentOf<Name> extends { __apiType?: (variables: infer Given extends Variables) => unknown } ? Given : never;
/** What comes over a subscription, one after the other. */
type ItemOf<Name extends OperationName> = AnswerOf<Name>[keyof AnswerOf<Name>];

interface Shown {
  as?: Role;
  /** False: runs it without showing anything. */
  show?: boolean;
}

/** Runs operations on a real service and records them. */
export class Guide {
  readonly placeholders = new Placeholders();
  readonly used = new Set<string>();
  private readonly parts: string[] = [];
  private readonly shown = new Set<string>();
  private log = '';

  private constructor(
    readonly service: TestService,
    private readonly callers: Record<Role, Caller>,
  ) {}

  static async on(service: TestService): Promise<Guide> {
    const as = (role: Role, subject: string) => service.as({ role, subject });
    const callers = {
      [Role.VIEWER]: await as(Role.VIEWER, 'vera'),
      [Role.ENGINEER]: await as(Role.ENGINEER, 'tess'),
      [Role.ADMIN]: await as(Role.ADMIN, 'ada'),
    };
    return new Guide(service, callers);
  }

  get markdown(): string {
    return `${this.parts.join('\n\n')}\n`;
  }

  caller(role: Role = Role.ENGINEER): Caller {
    return this.callers[role];
  }

  chapter(title: string, text?: string): void {
    this.parts.push(`## ${title}`);
    if (text) this.parts.push(text);
  }

  task(title: string, text?: string): void {
    this.parts.push(`### ${title}`);
    if (text) this.parts.push(text);
  }

  say(text: string): void {
    this.parts.push(text);
  }

  /** Runs an operation that must succeed. */
  async run<Name extends OperationName>(
    operation: Name,
    variables: VariablesOf<Name>,
    { as = Role.ENGINEER, show = true }: Shown = {},
  ): Promise<AnswerOf<Name>> {
    const data = await this.caller(as).ok<AnswerOf<Name>>(this.document(operation), variables);
    if (show) {
      this.question(operation, variables);
      this.json(data);
    }
    return data;
  }

  /** Runs an operation that must be refused, and shows the error. */
  async refused(operation: OperationName, variables: Variables): Promise<void> {
    const error = await this.caller().fails(this.document(operation), variables);
    this.question(operation, variables, 'Refused:');
    this.json({ message: error.message, extensions: error.extensions });
  }

  /** Follows a subscription until `enough`; shows the items that `shown` selects. */
  async follow<Name extends OperationName>(
    operation: Name,
    variables: VariablesOf<Name>,
    enough: (items: ItemOf<Name>[]) => boolean,
    shown: (items: ItemOf<Name>[]) => ItemOf<Name>[] = (items) => items,
  ): Promise<ItemOf<Name>[]> {
    const document = this.document(operation);
    const items = await this.caller().collect<ItemOf<Name>>(document, variables, enough, PATIENCE_MS);
    if (this.log !== operation)
      this.placeholders.newLog(operation === 'followRunMetrics' || operation === 'followRunLogs');
    this.log = operation;
    this.question(operation, variables, 'Comes, one after the other:');
    const lines = shown(items).map((item) => compactJson(this.placeholders.apply(item), '', Infinity));
    this.parts.push(fenced('json', lines.join('\n')));
    return items;
  }

  /** Repeats a query until the answer is as expected; shows the last one. */
  async until<Name extends OperationName>(
    operation: Name,
    variables: VariablesOf<Name>,
    wanted: (data: AnswerOf<Name>) => boolean,
    shown: Shown = {},
  ): Promise<AnswerOf<Name>> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const data = await this.run(operation, variables, { ...shown, show: false });
      if (wanted(data)) return shown.show === false ? data : this.run(operation, variables, shown);
      if (Date.now() > deadline) throw new Error(`${operation} did not come there: ${JSON.stringify(data)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Sends a plain HTTP request and shows it as a curl command. */
  async http(
    path: string,
    init: { method?: 'POST'; file?: string; headers?: Record<string, string>; saveAs?: string } = {},
  ): Promise<Response> {
    const headers: Record<string, string> = {
      ...init.headers,
      ...(init.file ? { 'content-type': 'application/octet-stream' } : {}),
    };
    const body = init.file ? new Uint8Array(readFileSync(init.file)) : undefined;
    const response = await fetch(`${this.service.url}${path}`, {
      method: init.method ?? 'GET',
      headers: { ...headers, authorization: `Bearer ${this.caller().token}` },
      body,
    });
    expect(response.ok, `${path} answered ${response.status}`).toBe(true);
    const flags = [
      '-H "Authorization: Bearer $TOKEN"',
      ...Object.entries(headers).map(([name, value]) => `-H '${name}: ${value}'`),
    ];
    if (init.file) flags.push(`--data-binary @${init.file}`);
    if (init.saveAs) flags.push(`-o ${init.saveAs}`);
    const address = String(this.placeholders.apply(`${this.service.url}${path}`));
    this.parts.push(fenced('bash', `curl -sS ${flags.join(' \\\n  ')} \\\n  '${address}'`));
    return response;
  }

  /**
   * Runs a document from elsewhere, with its own values and with ids of the guide: `$runId` is the id of the first run.
   */
  async try(document: string, where: string, given: Variables = {}): Promise<void> {
    const operation = getOperationAST(parse(document));
    const variables = { ...given };
    for (const { variable, type } of operation?.variableDefinitions ?? []) {
      const name = variable.name.value;
      const known = this.placeholders.idOf(`${inWords(name.replace(/Id$/, ''))} 1`);
      if (known) variables[name] = known;
      else if (type.kind === Kind.NON_NULL_TYPE && !(name in given)) {
        throw new Error(`${where}: the guide has no value for $${name}; use a document of schema/operations.`);
      }
    }
    const caller = this.caller(Role.ADMIN);
    if (operation?.operation === 'subscription') await caller.collect(document, variables, (items) => items.length > 0);
    else await caller.ok(document, variables);
  }

  json(value: unknown): void {
    this.parts.push(fenced('json', compactJson(this.placeholders.apply(value))));
  }

  private question(operation: OperationName, variables: Variables, answer = 'Answer:'): void {
    const isAgain = this.shown.has(operation);
    this.parts.push(isAgain ? `\`${operation}\` again, now with` : fenced('graphql', this.document(operation)));
    this.shown.add(operation);
    if (Object.keys(variables).length > 0) {
      if (!isAgain) this.parts.push('Variables:');
      this.json(variables);
    }
    this.parts.push(answer);
  }

  private document(operation: OperationName): string {
    const document = operations.get(operation);
    if (!document) throw new Error(`There is no schema/operations/${operation}.graphql.`);
    this.used.add(operation);
    return document;
  }
}

function fenced(language: string, text: string): string {
  return `\`\`\`${language}\n${text}\n\`\`\``;
}

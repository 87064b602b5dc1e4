import { DEFAULT_SIGNAL_POLICY } from '../../src/modules/monitoring/rules/signals.js';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  getOperationAST,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isSpecifiedScalarType,
  parse,
  validate,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linkedExample } from '../../graphiql/src/mlflow-link.js';
import { EXAMPLES } from '../../graphiql/src/welcome.js';
import { describeSettings } from '../../src/config.js';
import { DEFAULT_DRIFT_THRESHOLDS } from '../../src/modules/monitoring/rules/drift-window.js';
import { DEFAULT_GATE_POLICY } from '../../src/modules/model-quality/rules/gate-policy.js';
import { Role } from '../../src/modules/core/rules/principal.js';
import { ErrorCode } from '../../src/errors.js';
import { serviceSchema } from '../../src/composition.js';
import { writeGuide } from '../support/guide.js';
import { normalised, operations, type Guide } from '../support/guide/recorder.js';
import { followPage } from '../support/guide/page.js';
import { blocksOf, firstDifference } from '../support/guide/text.js';
import { slaOf } from '../../src/modules/serving/sla.js';
import { startTestService, type TestService } from '../support/service.js';

const UPDATE = process.env['UPDATE_DOCS'] === '1';
const GUIDE = 'docs/api-guide.md';
const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync('docs')
    .filter((file) => file.endsWith('.md'))
    .map((file) => join('docs', file)),
];

/** Words that add nothing to a name. */
const FILLERS = new Set('a an and as by for in is it its of one or that the this to with'.split(' '));
const wordsOf = (text: string): string[] => text.toLowerCase().match(/[a-z0-9]+/g) ?? [];

const nameOf = (document: string): string => getOperationAST(parse(document))?.name?.value ?? '';

/** Compares the committed text with the generated one; with UPDATE_DOCS=1 writes it. */
function expectDocument(path: string, produced: string): void {
  const committed = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const difference = firstDifference(committed, produced);
  if (difference !== null && UPDATE) writeFileSync(path, produced);
  else expect(difference, `${path} is out of date; UPDATE_DOCS=1 writes it anew`).toBeNull();
}

describe('the documents', () => {
  let service: TestService;
  let guide: Guide;

  beforeAll(async () => {
    service = await startTestService({ MONITORING_INTERVAL_MS: '3600000' });
    const startedMs = performance.now();
    guide = await writeGuide(service);
    console.log(`guide: ${guide.used.size} operations, ${((performance.now() - startedMs) / 1_000).toFixed(1)} s`);
  }, 300_000);
  afterAll(() => service?.close());

  it('show the answers of the service', () => {
    expectDocument(GUIDE, guide.markdown);
  });

  it('show GraphQL that works', async () => {
    const byName = new Map([...operations.values()].map((document) => [nameOf(document), document]));
    for (const page of PAGES) {
      const markdown = readFileSync(page, 'utf8');
      let current = markdown;
      for (const { line, text } of blocksOf(markdown, 'graphql')) {
        const where = `${page}:${line}`;
        const shared = byName.get(nameOf(text));
        if (shared && UPDATE) current = current.replace(text, shared);
        else if (shared)
          expect(normalised(text), `${where} is not what schema/operations has`).toBe(normalised(shared));
        else await guide.try(text, where);
      }
      if (current !== markdown) writeFileSync(page, current);
    }
  });

  it('and GraphiQL offer operations that work', async () => {
    for (const { title, query, variables } of EXAMPLES) await guide.try(query, `GraphiQL’s "${title}"`, variables);
  });

  it('lead a newcomer from the data to a prediction', async () => {
    const newcomer = await service.as({ tenant: 'newcomer', role: Role.ADMIN });
    const { predict } = (await followPage(newcomer, readFileSync('docs/quickstart.md', 'utf8'))) as {
      predict: { predictions: { label: string }[] };
    };
    expect(predict.predictions.map(({ label }) => label)).toEqual(['Adelie', 'Gentoo']);
  });

  it('use all operations that they share', () => {
    const demo = readdirSync('demo')
      .map((file) => readFileSync(join('demo', file), 'utf8'))
      .join('\n');
    const unused = [...operations].filter(
      ([name, document]) => !guide.used.has(name) && !new RegExp(`\\b${nameOf(document)}Document\\b`).test(demo),
    );
    expect(unused.map(([name]) => name)).toEqual([]);
  });
});

it('every query of a link of MLflow is valid in the schema', async () => {
  const [experiment, id] = ['a'.repeat(32), '0123456789abcdef'.repeat(2)];
  const schema = await serviceSchema();
  for (const hash of ['', '/runs/' + id, '/models/m-' + id].flatMap((end) => [
    `#/experiments/0${end}`,
    `#/experiments/${experiment}${end}?x=1`,
  ])) {
    expect(validate(schema, parse(linkedExample(hash)!.query)), hash).toEqual([]);
  }
  expect(linkedExample(`#/experiments/0/runs/${id}`)!.variables).toEqual({
    id: '01234567-89ab-cdef-0123-456789abcdef',
  });
  for (const other of ['', '#token=x', '#/experiments/1', '#/experiments/0x', `#/experiments/${id}0`]) {
    expect(linkedExample(other), other).toBeNull();
  }
});

it('every shared operation is valid in the schema', async () => {
  for (const [name, document] of operations) expect(validate(await serviceSchema(), parse(document)), name).toEqual([]);
});

it('the table of settings matches the code', () => {
  const path = 'docs/configuration.md';
  const page = readFileSync(path, 'utf8');
  const rows = describeSettings().map(
    ({ name, default: value, about }) => `| \`${name}\` | ${value === '—' ? '—' : `\`${value}\``} | ${about} |`,
  );
  const table = `| Setting | Default | What it is |\n|---|---|---|\n${rows.join('\n')}`;
  if (UPDATE) writeFileSync(path, page.replace(/\| Setting \|[\s\S]*?(?=\n\n)/, table));
  expect(readFileSync(path, 'utf8')).toContain(`${table}\n\n`);
});

it('the numbers of gates and alerts match the code', () => {
  const page = readFileSync('docs/concepts.md', 'utf8');
  const { evaluation, validation, shadow } = DEFAULT_GATE_POLICY;
  const { psi, alpha, predictionSigmas } = DEFAULT_DRIFT_THRESHOLDS;
  const { latency, errorRate } = DEFAULT_SIGNAL_POLICY;
  const minRows = describeSettings().find(({ name }) => name === 'MONITORING_MIN_ROWS')?.default;
  const claims = [
    `p95 of single rows ≤ ${validation.maxLatencyP95Ms} ms`,
    `agree to 10⁻${'⁰¹²³⁴⁵⁶⁷⁸⁹'[-Math.log10(validation.maxDisagreement)]}`,
    `ROC-AUC ≥ ${validation.metrics['roc_auc']?.min}, R² ≥ ${validation.metrics['r2']?.min} or silhouette ≥ ` +
      `${validation.metrics['silhouette']?.min}`,
    `at least ${evaluation.minRows} holdout rows`,
    `at least ${shadow.minRequests} mirrored requests`,
    `at most ${shadow.maxDisagreementShare * 100} % of the rows`,
    `PSI is above ${psi} and its test (Kolmogorov–Smirnov or chi-square, corrected over all features) below ${alpha}`,
    `more than ${predictionSigmas} standard deviations`,
    `${minRows} logged rows`,
    `${latency.minRequests} requests`,
    `${errorRate.minRequests} requests`,
    `above ${slaOf({ runtime: 'ONNX' }, {}).maxErrorRate * 100} % with 95 % confidence`,
  ];
  expect(claims.filter((claim) => !page.includes(claim))).toEqual([]);
});

it('every error code is explained', () => {
  const page = readFileSync('docs/errors.md', 'utf8');
  expect(Object.values(ErrorCode).filter((code) => !page.includes(`| \`${code}\` |`))).toEqual([]);
});

it('every part of the schema has a description that says more than its name', async () => {
  const bare: string[] = [];
  let parts = 0;
  const look = (path: string, name: string, description: string | null | undefined) => {
    parts++;
    const own = new Set(wordsOf(name.replace(/([A-Z])/g, ' $1')));
    if (wordsOf(description ?? '').filter((word) => !FILLERS.has(word) && !own.has(word)).length < 2)
      bare.push(`${path}: ${description}`);
  };
  for (const type of Object.values((await serviceSchema()).getTypeMap())) {
    if (type.name.startsWith('__') || isSpecifiedScalarType(type)) continue;
    look(type.name, type.name, type.description);
    if (isEnumType(type))
      for (const { name, description } of type.getValues()) look(`${type.name}.${name}`, name, description);
    if (isInputObjectType(type))
      for (const { name, description } of Object.values(type.getFields()))
        look(`${type.name}.${name}`, name, description);
    if (!isObjectType(type) && !isInterfaceType(type)) continue;
    for (const { name, description, args } of Object.values(type.getFields())) {
      look(`${type.name}.${name}`, name, description);
      for (const arg of args) look(`${type.name}.${name}(${arg.name})`, arg.name, arg.description);
    }
  }
  console.log(`${parts} types, fields, arguments and values of the schema are described`);
  expect(bare).toEqual([]);
});

it('links and paths lead to files that exist', () => {
  for (const page of [...PAGES, ...readdirSync('docs/adr').map((file) => join('docs/adr', file))]) {
    const markdown = readFileSync(page, 'utf8');
    for (const [, target = ''] of markdown.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
      expect(existsSync(join(page, '..', target)), `${page} links to ${target}`).toBe(true);
    }
    for (const [, path = ''] of markdown.matchAll(/`((?:src|test|scripts|schema|docs)\/[\w./-]+)`/g)) {
      expect(existsSync(path), `${page} names ${path}`).toBe(true);
    }
  }
});

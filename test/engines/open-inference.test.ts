import protobuf from 'protobufjs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { messagesRoot } from '../../src/protocols/open-inference/protobuf.js';
import { echo, linear } from '../fixtures/models/build.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { serve, xToY } from '../support/serving.js';
import { engine } from './engines.js';
import { runPython } from './mlflow/python.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

interface Described {
  live: boolean;
  ready: boolean;
  modelReady: boolean;
  server: object;
  metadata: object;
  config: object;
  statistics: { model_stats: object[] };
  allStatistics: { model_stats: object[] };
  index: object;
}

interface Common {
  described: Described;
  binary: number[];
  id: string;
  texts: string[];
  priority: number[];
  gzip: boolean;
  deflate: boolean;
  async: number[];
  refused: [string, string][];
  switched: unknown[];
}

interface Printed {
  http: Common & { json: number[]; jsonOut: number[]; classes: string[]; parameters: number[] };
  httpAio: number[];
  grpc: Common & { deadline: number[]; stream: (number | string)[] };
  grpcAio: number[];
  fields: Record<string, Record<string, number>>;
}

const doubled = (count: number) => Array.from({ length: count }, (_, i) => 2 * i + 1);

it('an unmodified tritonclient works over HTTP and gRPC, async and streaming, packed or not', async () => {
  await serve(service, tess, { bytes: linear([2], 1), signature: xToY(1) }, { name: 'numbers' });
  const texts = (name: string) => [{ name, datatype: 'BYTES' as const, shape: [-1, 1] }];
  const signature = { inputs: texts('s'), outputs: texts('t') };
  await serve(service, tess, { bytes: echo('s', 't'), signature }, { name: 'texts' });
  const printed = await runPython<Printed>(
    new URL('open-inference/client.py', import.meta.url),
    { URL: service.url.replace('http://', ''), GRPC: service.app.http!.grpcAddress, TOKEN: tess.token },
    { program: engine('MATIH_TRITONCLIENT_PYTHON') },
  );
  for (const [transport, answers] of [
    ['http', printed.http],
    ['grpc', printed.grpc],
  ] as const) {
    const { described } = answers;
    expect(described, transport).toMatchObject({ live: true, ready: true, modelReady: true });
    expect(described.server).toMatchObject({ name: 'matih-ml-service' });
    expect(described.metadata).toMatchObject({ name: 'numbers', platform: 'onnxruntime_onnx' });
    expect(JSON.stringify(described.config)).toContain('"max_batch_size": 10000'.replace(' ', ''));
    expect(described.statistics.model_stats).toHaveLength(1);
    expect(described.allStatistics.model_stats).toHaveLength(2);
    expect(JSON.stringify(described.index)).toContain('READY');
    expect(answers).toMatchObject({
      binary: [3, 5],
      id: '7',
      texts: ['a', '', 'é'],
      priority: [3],
      gzip: true,
      deflate: true,
      async: doubled(20),
    });
    expect(answers.switched).toEqual([[9], true, [9]]);
    const [absent, version, nan, nobody] = answers.refused;
    const isHttp = transport === 'http';
    expect(absent).toEqual([isHttp ? '404' : 'StatusCode.NOT_FOUND', 'No endpoint named "absent".']);
    expect(version![1]).toContain('Version 999 is not deployed');
    expect(nan).toEqual([
      isHttp ? '400' : 'StatusCode.INVALID_ARGUMENT',
      expect.stringContaining('inputs[0].data[0]: expected a finite number') as string,
    ]);
    expect(nobody![0]).toBe(isHttp ? '401' : 'StatusCode.UNAUTHENTICATED');
  }
  expect(printed.http).toMatchObject({ json: [3, 5], jsonOut: [3, 5], classes: ['3.000000:0'], parameters: [3] });
  expect(printed.httpAio).toEqual(doubled(20));
  expect(printed.grpc.deadline).toEqual([3]);
  const streamed: (number | string)[] = doubled(20);
  streamed[10] = 'No endpoint named "absent".';
  expect(printed.grpc.stream).toEqual(streamed);
  expect(printed.grpcAio).toEqual([...doubled(20), ...doubled(5)]);
  checkFields(printed.fields);
});

/** Every field of our messages has the number that Triton's has. */
function checkFields(theirs: Printed['fields']): void {
  let checked = 0;
  const visit = (parent: protobuf.NamespaceBase, prefix: string) => {
    for (const type of parent.nestedArray) {
      if (!(type instanceof protobuf.Type)) continue;
      for (const { name, id } of type.fieldsArray) {
        expect(theirs[prefix + type.name]?.[name], `${prefix}${type.name}.${name}`).toBe(id);
        checked++;
      }
      visit(type, `${prefix}${type.name}.`);
    }
  };
  visit(messagesRoot().lookup('inference') as protobuf.Namespace, '');
  expect(checked).toBeGreaterThan(90);
}

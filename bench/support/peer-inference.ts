// The smallest server of the Open Inference Protocol: Node's own HTTP server, and one of @grpc/grpc-js, with the
// runtime in the same process and the requests of one turn of the event loop in one batch. No tokens, no checks, no
// routing, no log. Argument: path of the model.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type sendUnaryData, Server, ServerCredentials, type ServerUnaryCall } from '@grpc/grpc-js';
import * as ort from 'onnxruntime-node';
import { fromDist } from './dist.ts';

const { serviceDefinitions } = await fromDist<typeof import('../../src/protocols/open-inference/protobuf.js')>(
  'protocols/open-inference/protobuf.js',
);

interface Waiting {
  data: Float32Array;
  rows: number;
  resolve(outputs: Float32Array): void;
  reject(error: unknown): void;
}

const [path = ''] = process.argv.slice(2);
const session = await ort.InferenceSession.create(path, { intraOpNumThreads: 1, interOpNumThreads: 1 });
let waiting: Waiting[] = [];

function infer(data: Float32Array, rows: number): Promise<Float32Array> {
  return new Promise((resolve, reject) => {
    waiting.push({ data, rows, resolve, reject });
    if (waiting.length === 1) setImmediate(() => void runAll());
  });
}

async function runAll(): Promise<void> {
  const batch = waiting;
  waiting = [];
  const rows = batch.reduce((sum, one) => sum + one.rows, 0);
  const joined = new Float32Array(batch.reduce((sum, { data }) => sum + data.length, 0));
  let at = 0;
  for (const { data } of batch) {
    joined.set(data, at);
    at += data.length;
  }
  try {
    const { y } = await session.run({ x: new ort.Tensor('float32', joined, [rows, joined.length / rows]) });
    const outputs = y!.data as Float32Array;
    const width = outputs.length / rows;
    let row = 0;
    for (const one of batch) one.resolve(outputs.slice(row * width, (row += one.rows) * width));
  } catch (error) {
    for (const one of batch) one.reject(error);
  }
}

interface Body {
  inputs: { shape: [number, number]; data?: number[] }[];
}

const floatsOf = (bytes: Uint8Array) => new Float32Array(Uint8Array.from(bytes).buffer);

async function answer(request: IncomingMessage, response: ServerResponse, body: Buffer): Promise<void> {
  const header = request.headers['inference-header-content-length'];
  const jsonBytes = header === undefined ? body.length : Number(header);
  const { inputs } = JSON.parse(body.toString('utf8', 0, jsonBytes)) as Body;
  const [{ shape, data } = { shape: [0, 0] as [number, number], data: [] }] = inputs;
  const outputs = await infer(data ? Float32Array.from(data) : floatsOf(body.subarray(jsonBytes)), shape[0]);
  const output = { name: 'y', datatype: 'FP32', shape: [shape[0], outputs.length / shape[0]] };
  if (data) {
    const json = JSON.stringify({ model_name: 'bench', outputs: [{ ...output, data: Array.from(outputs) }] });
    response
      .writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) })
      .end(json);
    return;
  }
  const head = Buffer.from(
    JSON.stringify({
      model_name: 'bench',
      outputs: [{ ...output, parameters: { binary_data_size: outputs.byteLength } }],
    }),
  );
  const whole = Buffer.concat([head, new Uint8Array(outputs.buffer, outputs.byteOffset, outputs.byteLength)]);
  response
    .writeHead(200, {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': head.length,
      'content-length': whole.length,
    })
    .end(whole);
}

const http = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => void answer(request, response, Buffer.concat(chunks)));
});
await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));

interface GrpcRequest {
  inputs: { shape: { toNumber(): number }[] }[];
  raw_input_contents: Buffer[];
}

const grpc = new Server();
grpc.addService(serviceDefinitions().inference, {
  ModelInfer: async ({ request }: ServerUnaryCall<GrpcRequest, object>, done: sendUnaryData<object>): Promise<void> => {
    const rows = request.inputs[0]!.shape[0]!.toNumber();
    const outputs = await infer(floatsOf(request.raw_input_contents[0]!), rows);
    done(null, {
      model_name: 'bench',
      outputs: [{ name: 'y', datatype: 'FP32', shape: [rows, outputs.length / rows] }],
      raw_output_contents: [Buffer.from(outputs.buffer, outputs.byteOffset, outputs.byteLength)],
    });
  },
});
const grpcPort = await new Promise<number>((resolve, reject) => {
  grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
    error ? reject(error) : resolve(port),
  );
});
const { port } = http.address() as { port: number };
process.stdout.write(`${JSON.stringify({ port, grpcPort })}\n`);
process.on('SIGTERM', () => process.exit(0));

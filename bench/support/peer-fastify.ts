// The smallest server that can answer the same requests: Fastify, JSON, and the service's own inference runtime with
// its batching. No tokens, no checks, no routing, no log. Arguments: path of the model, number of hosts.
import Fastify from 'fastify';
import { fromDist } from './dist.ts';

const { OnnxEngine } = await fromDist<typeof import('../../src/inference/onnx/onnx-engine.js')>(
  'inference/onnx/onnx-engine.js',
);

interface Body {
  shape: number[];
  data: number[];
}

const [path = '', hosts = '2'] = process.argv.slice(2);
const engine = new OnnxEngine({ hosts: Number(hosts) });
await engine.load({ modelId: 'bench', path });
const fastify = Fastify();
fastify.post<{ Body: Body }>('/predict', async ({ body: { shape, data } }) => {
  const input = { name: 'x', datatype: 'FP32' as const, shape, data: Float32Array.from(data) };
  const { outputs } = await engine.infer('bench', [input], { deadlineMs: 5_000 });
  return { outputs: outputs.map((output) => ({ ...output, data: Array.from(output.data as Float32Array) })) };
});
await fastify.listen({ port: 0, host: '127.0.0.1' });
process.stdout.write(`${JSON.stringify({ port: (fastify.server.address() as { port: number }).port })}\n`);
process.on('SIGTERM', () => {
  void Promise.all([fastify.close(), engine.close()]).then(() => process.exit(0));
});

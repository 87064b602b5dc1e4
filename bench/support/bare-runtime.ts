// The speed of the runtime alone: one session, one thread, one call after the other. Arguments: path of the model,
// inputs, rows per call, seconds. Prints {rowsPerSecond}.
import * as ort from 'onnxruntime-node';

const [path = '', width = '1', rows = '1', seconds = '1'] = process.argv.slice(2);
const session = await ort.InferenceSession.create(path, { intraOpNumThreads: 1, interOpNumThreads: 1 });
const data = Float32Array.from({ length: Number(width) * Number(rows) }, (_, i) => Math.sin(i));
const x = new ort.Tensor('float32', data, [Number(rows), Number(width)]);
for (let i = 0; i < 20; i++) await session.run({ x });
const started = performance.now();
let calls = 0;
while (performance.now() - started < Number(seconds) * 1000) {
  await session.run({ x });
  calls++;
}
process.stdout.write(
  `${JSON.stringify({ rowsPerSecond: (calls * Number(rows)) / ((performance.now() - started) / 1000) })}\n`,
);

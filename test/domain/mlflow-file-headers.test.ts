import { expect, it } from 'vitest';
import { dispositionOf, mimeTypeOf } from '../../src/protocols/mlflow/artifacts/file-headers.js';

/** The answers of MLflow 3.17's server: _guess_mime_type and _content_disposition_attachment. */
const THEIRS: [name: string, type: string, disposition: string][] = [
  ['a.csv', 'text/plain', 'a.csv'],
  ['a.csv.gz', 'text/csv', 'a.csv.gz'],
  ['a.tgz', 'application/x-tar', 'a.tgz'],
  ['MLmodel', 'text/plain', 'MLmodel'],
  ['model.pkl', 'application/octet-stream', 'model.pkl'],
  ['a.json', 'text/plain', 'a.json'],
  ['a.JSON', 'application/json', 'a.JSON'],
  ['plot.png', 'image/png', 'plot.png'],
  ['a.html', 'text/html', 'a.html'],
  ['a.svg', 'image/svg+xml', 'a.svg'],
  ['conda.yaml', 'text/plain', 'conda.yaml'],
  ['notes.md', 'text/plain', 'notes.md'],
  ['x', 'application/octet-stream', 'x'],
  ['a b.txt', 'text/plain', '"a b.txt"'],
  ['q"uote.txt', 'text/plain', '"q\\"uote.txt"'],
  ['back;slash.txt', 'text/plain', '"back;slash.txt"'],
  ['größe.txt', 'text/plain', "groe.txt; filename*=UTF-8''gr%C3%B6%C3%9Fe.txt"],
  ['日本語.csv', 'text/plain', ".csv; filename*=UTF-8''%E6%97%A5%E6%9C%AC%E8%AA%9E.csv"],
  ['日本語', 'application/octet-stream', "download; filename*=UTF-8''%E6%97%A5%E6%9C%AC%E8%AA%9E"],
  ["a'b(c)*é.txt", 'text/plain', `"a'b(c)*e.txt"; filename*=UTF-8''a%27b%28c%29%2A%C3%A9.txt`],
  ['naïve+$&#!^`|~.log', 'text/plain', "naive+$&#!^`|~.log; filename*=UTF-8''na%C3%AFve+$&#!^`|~.log"],
  ['a.parquet', 'application/octet-stream', 'a.parquet'],
  ['model.onnx', 'application/octet-stream', 'model.onnx'],
  ['.yaml', 'application/octet-stream', '.yaml'],
  ['weights.h5', 'application/x-hdf5', 'weights.h5'],
  ['a.ipynb', 'text/plain', 'a.ipynb'],
  ['movie.mp4', 'video/mp4', 'movie.mp4'],
];

it.each(THEIRS)('%s has the type and the name that MLflow gives it', (name, type, disposition) => {
  expect([mimeTypeOf(name), dispositionOf(name)]).toEqual([type, `attachment; filename=${disposition}`]);
});

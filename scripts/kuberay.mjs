// The program that decodes manifests into the types of KubeRay's Go module, built once and kept outside the checkout.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findOrInstall } from './debian.mjs';
import { CACHE, run } from './python-environment.mjs';

const SOURCE = fileURLToPath(new URL('../test/engines/kuberay/decoder', import.meta.url));

export function startKubeRayDecoder() {
  const sources = createHash('sha256');
  for (const file of ['main.go', 'go.mod', 'go.sum']) sources.update(readFileSync(join(SOURCE, file)));
  const folder = join(CACHE, `kuberay-${sources.digest('hex').slice(0, 12)}`);
  const program = join(folder, 'decoder');
  if (!existsSync(program)) {
    const go = findOrInstall(['go'], 'golang-go', () => ['/usr/local/go/bin']);
    console.error('Building the decoder of KubeRay’s manifests (once; some minutes) …');
    mkdirSync(folder, { recursive: true });
    run(go, ['build', '-o', program, '.'], { cwd: SOURCE, env: { ...process.env, GOFLAGS: '-buildvcs=false' } });
  }
  return { env: { MATIH_KUBERAY_DECODER: program }, stop: () => undefined };
}

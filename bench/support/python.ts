import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A virtual environment with these packages from PyPI, created once in `.cache/<name>`. */
export async function pythonWith(name: string, requirements: readonly string[]): Promise<string> {
  const folder = fileURLToPath(new URL(`../../.cache/${name}`, import.meta.url));
  const program = join(folder, 'bin', 'python');
  const complete = join(folder, 'complete');
  if (existsSync(complete)) return program;
  process.stderr.write(`Installing ${requirements.join(', ')} into .cache/${name} (once; some minutes) …\n`);
  for (const [command, args] of [
    ['python3', ['-m', 'venv', '--clear', folder]],
    [program, ['-m', 'pip', 'install', '--quiet', ...requirements]],
  ] as const) {
    const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
    if (status !== 0)
      throw new Error(`${command} ${args.join(' ')}: ${stderr || error?.message || `ended with ${status}`}`);
  }
  await writeFile(complete, '');
  return program;
}

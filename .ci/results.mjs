// Reads vitest's JSON reports: failed-files <report> lists the files with a failed test; summary <reports…> names every
// failed test, counts, and exits with 1 when a test failed in its last run or when none passed.
import { existsSync, readFileSync } from 'node:fs';
import { basename, relative } from 'node:path';

const [command, ...reports] = process.argv.slice(2);
const read = (path) => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).testResults : []);
const fileOf = ({ name }) => relative(process.cwd(), name);

/** The failed tests of a file; a file that does not load counts as one, as none of its tests ran. */
function failuresOf(file) {
  const failed = file.assertionResults.filter((test) => test.status === 'failed');
  if (failed.length > 0)
    return failed.map((test) => ({ test: test.fullName, why: (test.failureMessages[0] ?? '').split('\n')[0] }));
  return file.status === 'failed' ? [{ test: '(the file)', why: file.message.split('\n')[0] }] : [];
}

if (command === 'failed-files') {
  const failed = reports.flatMap(read).filter((file) => failuresOf(file).length > 0);
  for (const file of new Set(failed.map(fileOf))) console.log(file);
} else {
  let passed = 0;
  let failed = 0;
  for (const path of reports.filter((one) => !one.endsWith('-again.json'))) {
    // A second run of a file has the last word.
    const again = new Map(read(path.replace(/\.json$/, '-again.json')).map((file) => [file.name, file]));
    for (const file of read(path)) {
      const last = again.get(file.name) ?? file;
      passed += last.assertionResults.filter((test) => test.status === 'passed').length;
      failed += failuresOf(last).length;
      const verdict = failuresOf(last).length > 0 ? 'FAILED' : 'FLAKY';
      for (const { test, why } of failuresOf(file))
        console.log(`${verdict} ${basename(path, '.json')} ${fileOf(file)}: ${test}: ${why}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}

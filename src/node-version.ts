/** Imported before all else: the rest needs this version, and would fail later without saying why. */
const NEEDED_NODE = 24;

if (Number.parseInt(process.versions.node, 10) < NEEDED_NODE) {
  process.stderr.write(
    `The service needs Node ${NEEDED_NODE} or newer, and this is Node ${process.versions.node}: ` +
      'run it by npm (npm start, npm run token), which brings its own Node, or install a newer one from ' +
      'https://nodejs.org.\n',
  );
  process.exit(1);
}

/**
 * Who may import whom. Drawn from the top down every arrow falls:
 * main → server, worker → protocols → resolvers, context, jobs → services → training, inference, features → domain, db, adapters, config, errors.
 * Packages from npm are left to knip and the lockfile; these rules are about our own folders.
 */

/** Own files outside the listed paths. */
const outside = (...allowed) => ({ path: '^src/', pathNot: allowed.map((path) => `^src/${path}`) });
const errors = 'errors\\.ts$';

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Files that import each other cannot be read, tested or loaded one at a time.',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'errors-import-nothing',
      severity: 'error',
      comment: 'Every layer raises these errors, so they may depend on none.',
      from: { path: '^src/errors\\.ts$' },
      to: { path: '^src/' },
    },
    {
      name: 'domain-is-pure',
      severity: 'error',
      comment: 'Rules are decided without I/O, so that they can be tested as functions and used from everywhere.',
      from: { path: '^src/domain/' },
      to: outside('domain/', errors),
    },
    {
      name: 'domain-has-no-io',
      severity: 'error',
      comment: 'A rule that reads a file, a socket or the environment is no longer a rule.',
      from: { path: '^src/domain/' },
      to: {
        dependencyTypes: ['core'],
        path: '^(node:)?(fs|net|http|https|child_process|worker_threads|process|os|dns|tls)',
      },
    },
    {
      name: 'edge-calls-services',
      severity: 'error',
      comment:
        'Resolvers and protocol handlers authorise, call one service method and return: no rules, SQL or engines. They may know entities as types.',
      from: { path: '^src/(resolvers|protocols)/' },
      to: { ...outside('resolvers/', 'protocols/', 'services/', 'domain/', errors), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'jobs-call-services',
      severity: 'error',
      comment:
        'A job handler is a dozen lines: it calls the service that a resolver would call. What it is handed it may know as a type.',
      from: { path: '^src/jobs/', pathNot: '^src/jobs/(kit|worker)\\.ts$' },
      to: { ...outside('jobs/', 'services/', 'domain/', errors), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'job-runner-sees-ports',
      severity: 'error',
      comment:
        'The kit fences attempts in the database and takes jobs from any queue: it knows tables and ports, and no implementation.',
      from: { path: '^src/jobs/(kit|worker)\\.ts$' },
      to: outside('jobs/', 'services/', 'domain/', 'db/', '.*/port\\.ts$', errors),
    },
    {
      name: 'services-do-not-know-callers',
      severity: 'error',
      comment:
        'Services enqueue through the outbox by the job catalogue’s names; importing a job or a resolver would turn the layers around.',
      from: { path: '^src/services/' },
      to: { path: '^src/(jobs|resolvers|protocols|server|context|main|worker|config)' },
    },
    {
      name: 'services-see-ports',
      severity: 'error',
      comment:
        'A service works with any engine: it knows the port, and the composition root hands it the implementation.',
      from: { path: '^src/services/' },
      to: { path: '^src/(training|inference|features|adapters|evaluation)/', pathNot: ['/port\\.ts$'] },
    },
    {
      name: 'engines-stand-alone',
      severity: 'error',
      comment:
        'Engines and adapters know domain, errors, their SDK and what they are handed, so that one can be replaced without the others.',
      from: { path: '^src/(training|inference|features|adapters|onnx)/' },
      to: outside('domain/', 'training/', 'inference/', 'features/', 'adapters/', 'onnx/', errors),
    },
    {
      name: 'evaluation-joins-engines',
      severity: 'error',
      comment:
        'Measuring a model needs the rows of a training and an engine to run it: here, in a process of its own, they meet.',
      from: { path: '^src/evaluation/' },
      to: outside('evaluation/', 'domain/', 'training/', 'inference/', 'features/', errors),
    },
    {
      name: 'engines-do-not-know-evaluation',
      severity: 'error',
      comment: 'What is measured must not depend on who measures it.',
      from: { path: '^src/(training|inference|features|adapters|onnx|domain|db)/' },
      to: { path: '^src/evaluation/' },
    },
    {
      name: 'engines-do-not-know-each-other',
      severity: 'error',
      comment:
        'Training, inference and features meet in a service; of one another they know a port, or the type of what they are handed. The reader of dataset files is shared: nobody can hand one to a training’s child process.',
      from: { path: '^src/(training|inference|features|adapters)/' },
      to: {
        path: '^src/(training|inference|features|adapters)/',
        pathNot: ['^src/$1/', '/port\\.ts$', '^src/features/dataset-reader\\.ts$'],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'db-knows-domain',
      severity: 'error',
      comment: 'Tables hold what the domain names; they know nothing of who reads them.',
      from: { path: '^src/db/' },
      to: outside('db/', 'domain/', errors),
    },
    {
      name: 'composition-root-is-at-the-top',
      severity: 'error',
      comment: 'Only the entry points build the world; whoever else imports context.ts takes what it should be handed.',
      from: {
        path: '^src/',
        pathNot: ['^src/(main|app|token|worker|context|schema-print)\\.ts$', '^src/(server|demo|context)/'],
      },
      to: { path: '^src/(main|worker|context)(\\.ts$|/)' },
    },
    {
      name: 'config-is-read-once',
      severity: 'error',
      comment: 'config.ts is the only reader of the environment; the composition root hands out its values.',
      from: {
        path: '^src/',
        pathNot: ['^src/(main|app|token|worker|context|config|schema-print)\\.ts$', '^src/(server|demo|context)/'],
      },
      to: { path: '^src/config\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'demo-is-an-outside-client',
      severity: 'error',
      comment: 'The demo proves the public API, so it may not reach around it; it starts the service as a process.',
      from: { path: '^src/demo/' },
      to: outside('demo/'),
    },
    {
      name: 'source-does-not-import-tests',
      severity: 'error',
      comment: 'What runs in production must not depend on test helpers or benchmarks.',
      from: { path: '^src/' },
      to: { path: '^(test|bench|scripts|graphiql)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      conditionNames: ['import', 'node', 'default'],
      extensions: ['.ts', '.tsx', '.mjs', '.js', '.json'],
    },
  },
};

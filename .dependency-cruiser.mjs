/**
 * Who may import whom. Drawn from the top down every arrow falls:
 * main, app → server → protocols, resolvers, jobs → modules (by index.ts alone) → ports → db, errors.
 * Packages from npm are left to knip and the lockfile; these rules are about our own folders.
 */

/** Own files outside the listed paths. */
const outside = (...allowed) => ({ path: '^src/', pathNot: allowed.map((path) => `^src/${path}`) });
const errors = 'errors\\.ts$';
/** Modules of pure rules and types: engines and tables may use them, as they bring no service with them. */
const PURE = 'modules/(core|statistics|model-contract|algorithms|model-quality)/';
/** What builds the service out of its modules. */
const COMPOSITION =
  '(main|app|token|context|composition|modules|define-module|implementations|loaders|services|schema-print)\\.ts$';

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
      name: 'modules-have-no-cycles',
      severity: 'error',
      comment:
        'Modules form layers, types included. What would point upward is an event, or a contribution of the module above.',
      from: { path: '^src/modules/([^/]+)/' },
      to: { path: '^src/modules/', pathNot: '^src/modules/$1/', circular: true, viaOnly: { path: '^src/modules/' } },
    },
    {
      name: 'modules-have-one-face',
      severity: 'error',
      comment: 'A module is changed without reading who uses it, as only what its index.ts names is used.',
      from: { path: '^src/(?:modules/([^/]+)/|)' },
      to: { path: '^src/modules/', pathNot: ['^src/modules/[^/]+/(index|module|settings)\\.ts$', '^src/modules/$1/'] },
    },
    {
      name: 'module-ts-is-listed-only',
      severity: 'error',
      comment:
        'module.ts joins a module with its edges, so only the list of modules may know it; settings.ts reaches its module as values.',
      from: { pathNot: '^src/modules\\.ts$' },
      to: { path: '^src/modules/[^/]+/(module|settings)\\.ts$' },
    },
    {
      name: 'module-ts-knows-its-own-edges',
      severity: 'error',
      comment:
        'module.ts sees its own module by its face, its own tables, resolvers and jobs, and the protocols; what it is ' +
        'handed it may know as a type.',
      from: { path: '^src/modules/([^/]+)/module\\.ts$' },
      to: {
        ...outside(
          'modules/$1/index\\.ts$',
          'db/entities/$1/',
          'resolvers/$1/',
          'jobs/',
          'protocols/',
          'define-module\\.ts$',
        ),
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'errors-import-nothing',
      severity: 'error',
      comment: 'Every layer raises these errors, so they may depend on none.',
      from: { path: '^src/errors\\.ts$' },
      to: { path: '^src/' },
    },
    {
      name: 'rules-are-pure',
      severity: 'error',
      comment: 'Rules are decided without I/O, so that they can be tested as functions and used from everywhere.',
      from: { path: '^src/modules/([^/]+)/rules/' },
      to: { ...outside('modules/$1/rules/', PURE, errors), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'rules-know-no-services',
      severity: 'error',
      comment: 'Of other modules a rule knows types by their face, and of its own only other rules.',
      from: { path: '^src/modules/([^/]+)/rules/' },
      to: outside('modules/$1/rules/', 'modules/[^/]+/index\\.ts$', errors),
    },
    {
      name: 'pure-modules-are-pure',
      severity: 'error',
      comment: 'Engines load these modules in child processes, so they bring nothing but rules.',
      from: { path: `^src/${PURE}` },
      to: outside(PURE, errors),
    },
    {
      name: 'rules-have-no-io',
      severity: 'error',
      comment: 'A rule that reads a file, a socket or the environment is no longer a rule.',
      from: { path: `^src/(modules/[^/]+/rules/|${PURE})` },
      to: {
        dependencyTypes: ['core'],
        path: '^(node:)?(fs|net|http|https|child_process|worker_threads|process|os|dns|tls)',
      },
    },
    {
      name: 'edge-calls-services',
      severity: 'error',
      comment:
        'Resolvers and protocol handlers authorise, call one service method and return: no rules, SQL or engines. ' +
        'They may know entities as types.',
      from: { path: '^src/(resolvers|protocols)/' },
      to: { ...outside('resolvers/', 'protocols/', 'modules/', errors), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'jobs-call-services',
      severity: 'error',
      comment:
        'A job handler is a dozen lines: it calls the service that a resolver would call. What it is handed it may know as a type.',
      from: { path: '^src/jobs/', pathNot: '^src/jobs/(engine/|worker\\.ts$)' },
      to: { ...outside('jobs/', 'modules/', errors), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'job-runner-sees-ports',
      severity: 'error',
      comment:
        'The engine fences attempts in the database and takes jobs from any queue: it knows tables and ports, and no implementation.',
      from: { path: '^src/jobs/(engine/|worker\\.ts$)' },
      to: outside('jobs/', 'modules/', 'db/', '.*/port\\.ts$', errors),
    },
    {
      name: 'modules-do-not-know-callers',
      severity: 'error',
      comment:
        'Services enqueue through the outbox by their module’s kinds of jobs; importing a job or a resolver would turn the layers around.',
      from: { path: '^src/modules/', pathNot: '/module\\.ts$' },
      to: { path: `^src/(jobs/|resolvers/|protocols/|server/|config\\.ts$|${COMPOSITION}|modules/[^/]+/module\\.ts$)` },
    },
    {
      name: 'modules-see-ports',
      severity: 'error',
      comment:
        'A service works with any engine: it knows the port, and the composition root hands it the implementation.',
      from: { path: '^src/modules/' },
      to: { path: '^src/(training|inference|adapters)/', pathNot: ['/port\\.ts$'] },
    },
    {
      name: 'engines-stand-alone',
      severity: 'error',
      comment:
        'Engines and adapters know pure modules, child processes, errors, their SDK and what they are handed, so that one can be replaced without the others.',
      from: { path: '^src/(training|inference|adapters)/' },
      to: outside(PURE, 'training/', 'inference/', 'adapters/', 'child-task/', errors),
    },
    {
      name: 'child-task-stands-alone',
      severity: 'error',
      comment: 'Child processes of every kind are started by it, so it may know none of them.',
      from: { path: '^src/child-task/' },
      to: outside('child-task/', errors),
    },
    {
      name: 'engines-do-not-know-each-other',
      severity: 'error',
      comment:
        'Training, inference and adapters meet in a service; of one another they know a port, or the type of what they are handed. ' +
        'Shared are the reader of dataset files, as nobody can hand one to the child process of a training, and the ONNX format. ' +
        'The evaluator joins engines: measuring a model needs the rows of a training and an engine to run it.',
      from: { path: '^src/(training|inference|adapters/[^/]+)/', pathNot: '^src/adapters/evaluator/' },
      to: {
        path: '^src/(training|inference|adapters/[^/]+)/',
        pathNot: [
          '^src/$1/',
          '/port\\.ts$',
          '^src/adapters/dataset-files/dataset-reader\\.ts$',
          '^src/inference/onnx/format/',
        ],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'db-knows-pure-modules',
      severity: 'error',
      comment:
        'Tables hold what the rules name; they know nothing of who reads them. The types of their JSON columns are their module’s.',
      from: { path: '^src/db/' },
      to: { ...outside('db/', PURE, errors), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'db-types-come-from-faces',
      severity: 'error',
      comment: 'A column’s type may come from its module’s face, and from nowhere else above.',
      from: { path: '^src/db/' },
      to: outside('db/', 'modules/[^/]+/index\\.ts$', errors),
    },
    {
      name: 'composition-root-is-at-the-top',
      severity: 'error',
      comment: 'Only the entry points build the world; whoever else imports it takes what it should be handed.',
      from: {
        path: '^src/',
        pathNot: [`^src/${COMPOSITION}`, '^src/config\\.ts$', '^src/modules/[^/]+/module\\.ts$', '^src/server/'],
      },
      to: { path: '^src/(main|app|context|composition|modules|define-module|implementations)\\.ts$' },
    },
    {
      name: 'config-is-read-once',
      severity: 'error',
      comment: 'config.ts is the only reader of the environment; the composition root hands out its values.',
      from: {
        path: '^src/',
        pathNot: [`^src/${COMPOSITION}`, '^src/config\\.ts$', '^src/server/'],
      },
      to: { path: '^src/config\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'demo-is-an-outside-client',
      severity: 'error',
      comment: 'The demo proves the public API, so it may not reach around it; it starts the service as a process.',
      from: { path: '^demo/' },
      to: { path: '^(src|test|bench|scripts|graphiql)/' },
    },
    {
      name: 'source-does-not-import-tests',
      severity: 'error',
      comment: 'What runs in production must not depend on test helpers or benchmarks.',
      from: { path: '^src/' },
      to: { path: '^(demo|test|bench|scripts|graphiql)/' },
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

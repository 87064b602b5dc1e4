/**
 * Who may import whom. Imports go only in one direction:
 * main, app → server → protocols, resolvers, jobs → modules (only their index.ts) → ports → db, errors.
 * These rules are only about the folders of this repository; knip and the lockfile check npm packages.
 */

/** Files of src outside the listed paths. */
const outside = (...allowed) => ({ path: '^src/', pathNot: allowed.map((path) => `^src/${path}`) });
const errors = 'errors\\.ts$';
/** Modules with only pure rules and types. Adapters and entities may use them, because they import no service. */
const PURE = 'modules/(core|statistics|model-contract|algorithms|model-quality)/';
/** The files that build the service from its modules. */
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
        'Modules form layers, also for types. Use an event, or a contribution of the upper module, to call upward.',
      from: { path: '^src/modules/([^/]+)/' },
      to: { path: '^src/modules/', pathNot: '^src/modules/$1/', circular: true, viaOnly: { path: '^src/modules/' } },
    },
    {
      name: 'modules-have-one-face',
      severity: 'error',
      comment:
        'Others use only what the index.ts of a module exports, so that the rest of the module can change freely.',
      from: { path: '^src/(?:modules/([^/]+)/|)' },
      to: { path: '^src/modules/', pathNot: ['^src/modules/[^/]+/(index|module|settings)\\.ts$', '^src/modules/$1/'] },
    },
    {
      name: 'module-ts-is-listed-only',
      severity: 'error',
      comment:
        'module.ts connects a module with its edges, so only the list of modules may import it; a module gets its settings as values.',
      from: { pathNot: '^src/modules\\.ts$' },
      to: { path: '^src/modules/[^/]+/(module|settings)\\.ts$' },
    },
    {
      name: 'module-ts-knows-its-own-edges',
      severity: 'error',
      comment:
        'module.ts may import the index.ts of its module, its own entities, resolvers and jobs, and the protocols; of ' +
        'anything else only types.',
      from: { path: '^src/modules/([^/]+)/module\\.ts$' },
      to: {
        ...outside(
          'modules/$1/index\\.ts$',
          'db/entities/$1/',
          'resolvers/$1/',
          'jobs/($1/|worker\\.ts$)',
          'protocols/[^/]+/$1/',
          'define-module\\.ts$',
        ),
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'errors-import-nothing',
      severity: 'error',
      comment: 'Every layer throws these errors, so they may depend on no layer.',
      from: { path: '^src/errors\\.ts$' },
      to: { path: '^src/' },
    },
    {
      name: 'rules-are-pure',
      severity: 'error',
      comment: 'Rules have no I/O, so that they can be tested as functions and used everywhere.',
      from: { path: '^src/modules/([^/]+)/rules/' },
      to: { ...outside('modules/$1/rules/', PURE, errors), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'rules-know-no-services',
      severity: 'error',
      comment: 'A rule may import types from the index.ts of other modules, and from its own module only other rules.',
      from: { path: '^src/modules/([^/]+)/rules/' },
      to: outside('modules/$1/rules/', 'modules/[^/]+/index\\.ts$', errors),
    },
    {
      name: 'pure-modules-are-pure',
      severity: 'error',
      comment: 'Child processes load these modules, so they may import only rules.',
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
        'They may import entities as types.',
      from: { path: '^src/(resolvers|protocols)/' },
      to: { ...outside('resolvers/', 'protocols/', 'modules/', errors), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'jobs-call-services',
      severity: 'error',
      comment:
        'A job handler is a dozen lines: it calls the service that a resolver would call. It may import types of its parameters.',
      from: { path: '^src/jobs/', pathNot: '^src/jobs/(engine/|worker\\.ts$)' },
      to: { ...outside('jobs/', 'modules/', errors), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'job-runner-sees-ports',
      severity: 'error',
      comment:
        'The job engine fences attempts in the database and takes jobs from any queue: it may import tables and ports, and no implementation.',
      from: { path: '^src/jobs/(engine/|worker\\.ts$)' },
      to: outside('jobs/', 'modules/', 'db/', '.*/port\\.ts$', errors),
    },
    {
      name: 'modules-do-not-know-callers',
      severity: 'error',
      comment:
        'Services create jobs by the kinds of their module; importing a job or a resolver would reverse the layers.',
      from: { path: '^src/modules/', pathNot: '/module\\.ts$' },
      to: { path: `^src/(jobs/|resolvers/|protocols/|server/|config\\.ts$|${COMPOSITION}|modules/[^/]+/module\\.ts$)` },
    },
    {
      name: 'modules-see-ports',
      severity: 'error',
      comment:
        'A service works with any adapter: it imports the port, and the composition root passes the implementation.',
      from: { path: '^src/modules/' },
      to: { path: '^src/(training|inference|adapters)/', pathNot: ['/port\\.ts$'] },
    },
    {
      name: 'engines-stand-alone',
      severity: 'error',
      comment:
        'Adapters may import pure modules, child processes, errors and their SDK, so that one can be replaced without the others.',
      from: { path: '^src/(training|inference|adapters)/' },
      to: outside(PURE, 'training/', 'inference/', 'adapters/', 'child-task/', errors),
    },
    {
      name: 'child-task-stands-alone',
      severity: 'error',
      comment: 'It starts child processes of every kind, so it may import none of them.',
      from: { path: '^src/child-task/' },
      to: outside('child-task/', errors),
    },
    {
      name: 'engines-do-not-know-each-other',
      severity: 'error',
      comment:
        'Services combine training, inference and adapters; these may import only ports and types of each other. Exceptions: ' +
        'the reader of dataset files, because it cannot be passed to the child process of a training, the ONNX format, and the function that combines ' +
        'the answers of members, which is the same for a compiled ensemble and for one whose members are asked. ' +
        'The evaluator combines both: measuring a model needs the rows of a training and a runtime.',
      from: { path: '^src/(training|inference|adapters/[^/]+)/', pathNot: '^src/adapters/evaluator/' },
      to: {
        path: '^src/(training|inference|adapters/[^/]+)/',
        pathNot: [
          '^src/$1/',
          '/port\\.ts$',
          '^src/adapters/dataset-files/dataset-reader\\.ts$',
          '^src/inference/onnx/format/',
          '^src/adapters/evaluator/ensemble/combination\\.ts$',
        ],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'onnx-runtime-stays-at-home',
      severity: 'error',
      comment:
        'Everybody else knows a runtime by its port. Exceptions: the composition root, the evaluator, which measures in a ' +
        'process of its own, and the ONNX format, which trainings write.',
      from: {
        path: '^src/',
        pathNot: [
          '^src/inference/onnx/',
          '^src/implementations\\.ts$',
          '^src/adapters/evaluator/evaluation-child\\.ts$',
        ],
      },
      to: { path: '^src/inference/onnx/', pathNot: '^src/inference/onnx/format/' },
    },
    {
      name: 'db-knows-pure-modules',
      severity: 'error',
      comment:
        'Entities may import values only from pure modules. The types of their JSON columns come from their module.',
      from: { path: '^src/db/' },
      to: { ...outside('db/', PURE, errors), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'db-types-come-from-faces',
      severity: 'error',
      comment: 'The type of a column may come from the index.ts of its module, and from no other place above.',
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

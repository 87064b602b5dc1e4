import { serveParent } from '../../child-task/serve-parent.js';
import {
  parameterImportance,
  type ImportanceRequest,
  type ParameterImportance,
} from '../../modules/statistics/index.js';

/** Entry point of the process that one analysis runs in; started by local-importance-analyst.ts. */
serveParent<ImportanceRequest, never, ParameterImportance>((request) => parameterImportance(request));

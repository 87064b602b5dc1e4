import { serveParent } from '../../child-task/serve-parent.js';
import { type PreparedTraining, prepareOutside, type PrepareRequest } from './prepare.js';

/** Entry point of the process that prepares one training for work outside the service. */
serveParent<PrepareRequest, never, PreparedTraining>((request) => prepareOutside(request));

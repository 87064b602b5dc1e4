import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Session } from '../../db/database.js';
import type { Model } from '../../db/entities/registry/model.entity.js';
import type { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { emitEvent, type Subject } from '../platform/index.js';
import { REGISTRY_EVENTS } from './events.js';

/** The object that has the tag; the version is null for a tag of the model itself. */
export interface Tagged {
  subject: Subject;
  modelId: string;
  modelName: string;
  version: number | null;
}

export function taggedModel({ id, name }: Model): Tagged {
  return { subject: { type: 'model', id }, modelId: id, modelName: name, version: null };
}

export function taggedVersion({ id, modelId, version }: ModelVersion, modelName: string): Tagged {
  return { subject: { type: 'modelVersion', id }, modelId, modelName, version };
}

/** Writes an event for each tag; the value is null for a tag that was deleted. */
export function emitTagEvents(
  session: Session,
  live: LiveEvents,
  { subject, modelId, modelName, version }: Tagged,
  changes: Readonly<Record<string, string | null>>,
): void {
  for (const [key, value] of Object.entries(changes)) {
    emitEvent(
      session,
      live,
      REGISTRY_EVENTS.MODEL_TAG_CHANGED,
      subject,
      { modelName, version, key, value },
      { modelId },
    );
  }
}

import type { Session } from '../../db/database.js';
import type { Study } from '../../db/entities/tuning/study.entity.js';
import { toMinimise } from './rules/objectives.js';
import type { SearchSpace } from './rules/space.js';
import { curveOfReports, reportsOf } from './rules/study-spec.js';
import type { Pruner, Sampler, StudyHistory, TrialRecord } from './rules/study.js';
import { priorTrialsOf } from './stores/studies.js';
import { recordsAfter, type StoredRecord } from './stores/trials.js';
import { prunerOf, samplerOf } from './strategy.js';

const READ_AT_ONCE = 5_000;
const KEPT_STUDIES = 50;

/** A study as samplers and pruners see it. They may keep state between calls. */
export interface StudyMemory {
  history: StudyHistory;
  sampler: Sampler;
  /** Null when no trial is stopped early. */
  pruner: Pruner | null;
}

interface Known extends Pick<StudyMemory, 'sampler' | 'pruner'> {
  /** The same object each time, by which samplers know the study. */
  space: SearchSpace;
  /** Changes up to this number are in `trials`. */
  seq: number;
  trials: TrialRecord[];
  /** Where a trial stands in `trials`, by its number. */
  places: Map<number, number>;
}

/**
 * The trials of studies as samplers and pruners see them. They stay in memory, so that each look reads only what has
 * changed, and an ended trial keeps its record.
 */
export class StudyMemories {
  private readonly studies = new Map<string, Known>();

  /** Call in a transaction that has locked the study and not yet changed it. */
  async read(session: Session, study: Study): Promise<StudyMemory> {
    const known = this.studies.get(study.id) ?? (await this.begin(session, study));
    // The study that was used last is forgotten last.
    this.studies.delete(study.id);
    this.studies.set(study.id, known);
    for (const oldest of this.studies.keys()) if (this.studies.size > KEPT_STUDIES) this.studies.delete(oldest);
    for (;;) {
      const rows = await recordsAfter(session, study.id, known.seq, READ_AT_ONCE);
      for (const row of rows) note(known, row, study);
      if (rows.length < READ_AT_ONCE) break;
    }
    const { objectives, seed } = study.spec;
    const history = { space: known.space, objectives: objectives.length, seed, trials: known.trials };
    return { history, sampler: known.sampler, pruner: known.pruner };
  }

  private async begin(session: Session, study: Study): Promise<Known> {
    const prior = await priorTrialsOf(session, study.id);
    const trials = prior.map(({ params, values }, i): TrialRecord => ({
      // Before the study's own trials, which count from 0.
      ...{ number: i - prior.length, state: 'COMPLETE', params, curve: [] },
      values: values.map((value, k) => toMinimise(value, study.spec.objectives[k]!)),
    }));
    const { spec } = study;
    return { space: spec.space, seq: 0, trials, places: new Map(), sampler: samplerOf(study), pruner: prunerOf(spec) };
  }
}

function note(known: Known, row: StoredRecord, study: Study): void {
  known.seq = row.seq;
  const place = known.places.get(row.number);
  if (row.status === 'QUEUED' || row.status === 'CANCELLED') {
    if (place !== undefined) forget(known, row.number, place);
    return;
  }
  const record = recordOf(row, row.status, study);
  if (place !== undefined) known.trials[place] = record;
  else {
    known.places.set(row.number, known.trials.length);
    known.trials.push(record);
  }
}

/** A trial that is to run again is no part of the history until then. */
function forget(known: Known, number: number, place: number): void {
  known.trials.splice(place, 1);
  known.places.delete(number);
  for (const [other, at] of known.places) if (at > place) known.places.set(other, at - 1);
}

function recordOf(row: StoredRecord, state: TrialRecord['state'], { spec }: Study): TrialRecord {
  const { number, params, values, violations } = row;
  return {
    ...{ number, state, params },
    ...(values && { values: values.map((value, k) => toMinimise(value, spec.objectives[k]!)) }),
    ...(violations && { violations }),
    curve: curveOfReports(spec, reportsOf(row)),
  };
}

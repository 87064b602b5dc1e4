import type { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import { withClasses, type GivenColumns, withColumns, type Signature } from '../model-contract/index.js';
import { badInput, conflict } from '../../errors.js';
import { trainedModelOf } from '../training/index.js';

/** What a model file does not say. */
export interface SignatureDescription {
  /** The columns that fill its inputs, and whether they accept missing values. */
  inputColumns?: GivenColumns[] | null;
  /** The class of each probability, in order. */
  classes?: string[] | null;
  /** Of two classes: the label is the second class from this probability on. */
  decisionThreshold?: number | null;
}

export function describesSignature({ inputColumns, classes, decisionThreshold }: SignatureDescription): boolean {
  return inputColumns != null || classes != null || decisionThreshold != null;
}

type Described = Partial<
  Pick<ModelVersion, 'signature' | 'runId' | 'objectKey' | 'sourceKey' | 'sourceUri' | 'stage' | 'version'>
>;

/**
 * The signature with the given descriptions. Errors: BAD_USER_INPUT, which names the field; CONFLICT without a
 * model.onnx.
 */
export async function describedSignature(
  session: Session,
  of: Described,
  given: SignatureDescription,
): Promise<Signature> {
  const { inputColumns, classes, decisionThreshold } = given;
  const name = (['inputColumns', 'classes', 'decisionThreshold'] as const).find((one) => given[one] != null);
  const field = `input.${name}`;
  if (of.signature == null || (of.objectKey ?? of.sourceKey) == null) {
    throw conflict(
      'Columns, classes and a threshold describe a model.onnx, and this version has none yet: convert it first, then say ' +
        'them with updateModelVersion.',
      {
        field,
        expected: 'a version with a model.onnx',
        got: 'files of another framework',
      },
    );
  }
  if (of.sourceUri == null && (await trainedModelOf(session, of.runId)))
    throw badInput(
      field,
      'none, because the training of the version defines its columns, classes and threshold',
      inputColumns ?? classes ?? decisionThreshold,
    );
  const mapped = inputColumns == null ? of.signature : withColumns(of.signature, 'input.inputColumns', inputColumns);
  const named = classes == null ? mapped : withClasses(mapped, 'input.classes', classes);
  return decisionThreshold == null ? named : withThreshold(named, decisionThreshold);
}

function withThreshold(signature: Signature, decisionThreshold: number): Signature {
  if (signature.classes?.length === 2) return { ...signature, decisionThreshold };
  const expected = 'none, because only a model with two classes has a threshold; say its classes in `classes`';
  throw badInput('input.decisionThreshold', expected, decisionThreshold);
}

/**
 * A version that is or was in production was measured with its description: another description would be another
 * version.
 */
export function requireDescribable({ stage, version, signature }: ModelVersion): void {
  if (stage === 'DEVELOPMENT' || stage === 'STAGING') return;
  const known = signature?.classes !== undefined || signature?.inputs.some(({ columns }) => columns !== undefined);
  if (!known) return;
  throw conflict(
    `Version ${version} is in ${stage} with the columns and classes that it has: register its file again with others.`,
    {
      field: 'input.id',
      expected: 'a version in DEVELOPMENT or STAGING',
      got: stage,
    },
  );
}

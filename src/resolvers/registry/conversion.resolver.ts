import { Arg, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { type Conversion, conversionProblem } from '../../modules/model-contract/index.js';
import { JobPayload } from '../jobs/job.types.js';
import type { RequestContext } from '../request-context.js';
import { ConversionType, ConvertModelVersionInput } from './conversion.types.js';
import { ModelVersionType } from './model-version.types.js';

@Resolver(() => ModelVersionType)
export class ConversionResolver {
  @Mutation(() => JobPayload, {
    description:
      'Converts the files of another framework of a version to model.onnx, and compares the two ' +
      'models on sample rows. Starts automatically for new versions when Python is set up. CONFLICT ' +
      'when there is nothing to convert, or a conversion is running.',
  })
  async convertModelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ConvertModelVersionInput, { description: 'Version and, optionally, sample rows.' })
    input: ConvertModelVersionInput,
  ): Promise<JobPayload> {
    return { job: await ctx.run((session) => ctx.services.conversions.start(session, input)) };
  }

  @FieldResolver(() => ConversionType, {
    nullable: true,
    description:
      'Result of the conversion to ONNX; null for a version that was registered as ONNX, and until ' +
      'the first attempt has ended.',
  })
  conversion(@Root() version: ModelVersionType): ConversionType | null {
    return version.conversion ? shown(version.conversion) : null;
  }
}

function shown(conversion: Conversion): ConversionType {
  const { state, jobId } = conversion;
  const measured = conversion.state === 'CONVERTED' || conversion.state === 'DISAGREES' ? conversion : null;
  return {
    state,
    jobId,
    problem: conversionProblem(conversion),
    framework: measured && `${measured.framework} ${measured.frameworkVersion}`,
    converter: measured && measured.converter,
    precision: measured && (measured.precision === 'single' ? 'SINGLE' : 'DOUBLE'),
    sampleRows: measured && measured.sampleRows,
    sampleSource: measured && measured.sampleSource,
    maxAbsDiff: measured && measured.maxAbsDiff,
    maxScaledDiff: measured && measured.maxScaledDiff,
  };
}

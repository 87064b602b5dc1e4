import { Field, Float, InputType, Int, ObjectType } from 'type-graphql';
import { MEMBER_DEADLINE_MS, MEMBER_RUNTIMES, MINIMUM_MEMBERS } from '../../modules/serving/index.js';
import { describeEnum } from '../types/common.types.js';
import { Range } from '../types/range.js';
import { Runtime } from './runtime.types.js';

const MemberFailurePolicy = describeEnum(
  'MemberFailurePolicy',
  'What an ensemble answers when members fail: are away, late, or answer NaN or another shape.',
  {
    FAIL: 'Nothing: the request fails with the first member that fails.',
    REWEIGHT: 'What the others say, with their weights divided by their sum; at least one must answer.',
    MINIMUM_MEMBERS: 'The same, if at least `minimumMembers` answer.',
  },
);

@ObjectType('FanOutMember', { description: 'A member of an ensemble, and where it is asked.' })
export class FanOutMemberType {
  @Field(() => String, { description: 'Model and number of the member.' })
  name!: string;

  @Field(() => Runtime, { description: 'Where the member runs.' })
  runtime!: keyof typeof Runtime;
}

@ObjectType('FanOut', { description: 'How the members of a deployed ensemble are asked.' })
export class FanOutType {
  @Field(() => MemberFailurePolicy, { description: 'What is answered when members fail.' })
  onMemberFailure!: keyof typeof MemberFailurePolicy;

  @Field(() => Int, { description: 'Number of members that must answer.' })
  neededMembers!: number;

  @Field(() => Int, {
    nullable: true,
    description: 'Milliseconds after which a member counts as failed; null: the deadline of the request.',
  })
  memberDeadlineMs!: number | null;

  @Field(() => [FanOutMemberType], { description: 'The members, in the order of the ensemble.' })
  members!: FanOutMemberType[];
}

@InputType({ description: 'How the members of an ensemble are asked.' })
export class FanOutInput {
  @Field(() => MemberFailurePolicy, {
    nullable: true,
    description:
      'What is answered when members fail; FAIL when absent. BAD_USER_INPUT for another one with BLENDING and ' +
      'STACKING, whose meta-learner needs every answer.',
  })
  onMemberFailure?: keyof typeof MemberFailurePolicy | null;

  @Range(MINIMUM_MEMBERS)
  @Field(() => Int, {
    nullable: true,
    description: 'Members that must answer, at most all; needed with MINIMUM_MEMBERS, and only there.',
  })
  minimumMembers?: number | null;

  @Range(MEMBER_DEADLINE_MS)
  @Field(() => Int, {
    nullable: true,
    description: 'Time after which a member counts as failed; the deadline of the request when absent or shorter.',
  })
  memberDeadlineMs?: number | null;

  @Range(MEMBER_RUNTIMES)
  @Field(() => [Runtime], {
    nullable: true,
    description:
      'Where each member runs, in the order of `ensemble { members }`: not FAN_OUT. All on ONNX when absent. ' +
      'UNAVAILABLE, with the name of the setting, for a runtime that is not configured.',
  })
  memberRuntimes?: (keyof typeof Runtime)[] | null;
}

@ObjectType('MemberAnswer', { description: 'What one member of an ensemble did for a request.', simpleResolvers: true })
export class MemberAnswerType {
  @Field(() => String, { description: 'Model and number of the member.' })
  name!: string;

  @Field(() => Runtime, { description: 'Where the member runs.' })
  runtime!: keyof typeof Runtime;

  @Field(() => Boolean, { description: 'Whether the answer of the ensemble contains that of the member.' })
  answered!: boolean;

  @Field(() => String, { nullable: true, description: 'Why the member failed, as a sentence; null when it answered.' })
  error!: string | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Weight of the member in this answer, 0 to 1; null when it failed, and with a meta-learner.',
  })
  weight!: number | null;

  @Field(() => Float, { description: 'Milliseconds until the member answered or failed.' })
  latencyMs!: number;
}

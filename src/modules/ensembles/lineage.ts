import { EnsembleMember } from '../../db/entities/ensembles/ensemble-member.entity.js';
import { tablesOf } from '../../db/tables.js';
import { defineLineage } from '../lineage/index.js';

const tables = tablesOf(EnsembleMember);

export const ENSEMBLES_LINEAGE = defineLineage({
  edgeKinds: { MEMBER_OF: 'The version is a member of the ensemble that the other version is.' },
  links: [
    {
      from: 'MODEL_VERSION',
      to: 'MODEL_VERSION',
      kind: 'MEMBER_OF',
      rows: ({ em }) =>
        tables(em)
          .selectFrom('ensemble_member')
          .select(['tenant', 'member_version_id as fromId', 'model_version_id as toId']),
    },
  ],
});

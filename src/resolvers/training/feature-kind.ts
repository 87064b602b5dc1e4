import type { FeatureKind } from '../../modules/algorithms/index.js';
import { describeEnum } from '../types/common.types.js';

export const FeatureKindEnum = describeEnum<FeatureKind>('FeatureKind', 'How a column is encoded as a feature.', {
  NUMERIC:
    'A NUMBER or BOOLEAN column; missing values are replaced by the median, and values are ' +
    'scaled. Boosted trees use values and missing values as they are.',
  CATEGORICAL:
    'A column of any type, as one indicator per category; boosted trees use the categories as ' +
    'they are. The categories are the texts of the file; numbers, booleans and times are used as ' +
    'texts.',
  TIMESTAMP:
    'A TIMESTAMP column, as its parts in UTC: hour, weekday, month, day of year, year, and days ' +
    'since 1970. Parts with only one value are left out.',
  TEXT:
    'A STRING column, as the words of its texts: the TF-IDF of the most frequent terms of the training rows, scaled ' +
    'to length 1. Not for boosted trees.',
});

import { databaseOwnerContract } from '../adapters/database-owner.contract.js';
import { engine } from './engines.js';

databaseOwnerContract("Debian's PostgreSQL", () => engine('MATIH_POSTGRES_ADMIN_URL'));

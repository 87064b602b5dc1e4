export { GarbageService, MAX_DAYS, MAX_IDS } from './garbage.service.js';

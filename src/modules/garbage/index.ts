export { GarbageService } from './garbage.service.js';

import { Migration } from '@mikro-orm/migrations';

/** For whom room is made, and until when a job has used the machines; indexes for long queues. */
export class Migration0029RoomAndUse extends Migration {
  override async up(): Promise<void> {
    this.addSql(`alter table job
      add room_on uuid,
      add used_until timestamptz,
      add used_before_ms bigint not null default 0 check (used_before_ms >= 0),
      add progress_at timestamptz`);
    this.addSql('update job set used_until = coalesce(begun_at, now()) where used_ms > 0');
    this.addSql(`create index job_waiting on job
      (tenant, kind, queue, (gpus * workers), priority desc, greatest(created_at, not_before))
      where status = 'QUEUED' and paused_at is null`);
    this.addSql(`create index job_with_room on job (id) where status = 'QUEUED' and room_on is not null`);
    this.addSql('create index job_by_use on job (used_until) where used_until is not null');
  }

  override async down(): Promise<void> {
    this.addSql('drop index job_waiting, job_with_room, job_by_use');
    this.addSql('alter table job drop room_on, drop used_until, drop used_before_ms, drop progress_at');
  }
}

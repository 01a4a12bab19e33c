-- Minutes without progress after which a host kills a frame as stuck. 0 leaves it running.

alter table show_service add column int_stuck_detection_llu integer not null default 0;
alter table service add column int_stuck_detection_llu integer not null default 0;
alter table layer add column int_stuck_detection_llu integer not null default 0;

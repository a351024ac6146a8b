-- When the sweep last sent a message again for what had stalled. Not an advance: dead letters are judged by advances.

alter table bulk_delete add woken_at timestamptz;
alter table export add woken_at timestamptz;

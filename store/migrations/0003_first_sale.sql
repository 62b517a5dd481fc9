-- The span in which the order of a key was placed, as hexadecimal digits: a checkout that is repeated
-- links to it. It is unknown for orders that were not traced, and for those of before.

ALTER TABLE idempotency_keys ADD COLUMN trace_id TEXT;
ALTER TABLE idempotency_keys ADD COLUMN span_id TEXT;

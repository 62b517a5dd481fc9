-- Whoever asks whether the store is ready has a row of this table changed: that shows that the
-- database can still be written to.

CREATE TABLE write_checks (
    id    BIGINT PRIMARY KEY,
    count BIGINT NOT NULL
);

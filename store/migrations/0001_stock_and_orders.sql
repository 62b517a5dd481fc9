-- One schema for SQLite and PostgreSQL: whole numbers are BIGINT, ids of orders are text,
-- money is in cents, and times are milliseconds since 1970 in UTC.
--
-- For every product, always:
--   initial_stock + sum(deliveries.quantity) - sum(order_lines.quantity) = on_hand >= 0

CREATE TABLE products (
    id            BIGINT PRIMARY KEY CHECK (id > 0),
    name          TEXT   NOT NULL,
    price_cents   BIGINT NOT NULL CHECK (price_cents >= 0),
    aisle         TEXT   NOT NULL,
    initial_stock BIGINT NOT NULL CHECK (initial_stock >= 0),
    on_hand       BIGINT NOT NULL CHECK (on_hand >= 0)
);

CREATE TABLE orders (
    id           TEXT   PRIMARY KEY,
    placed_at_ms BIGINT NOT NULL,
    total_cents  BIGINT NOT NULL CHECK (total_cents >= 0)
);

-- Name and price are those of the day of the sale: a receipt never changes.
CREATE TABLE order_lines (
    order_id         TEXT   NOT NULL REFERENCES orders (id),
    line             BIGINT NOT NULL,
    product_id       BIGINT NOT NULL REFERENCES products (id),
    name             TEXT   NOT NULL,
    quantity         BIGINT NOT NULL CHECK (quantity > 0),
    unit_price_cents BIGINT NOT NULL CHECK (unit_price_cents >= 0),
    PRIMARY KEY (order_id, line)
);

CREATE TABLE deliveries (
    id              TEXT   PRIMARY KEY,
    product_id      BIGINT NOT NULL REFERENCES products (id),
    quantity        BIGINT NOT NULL CHECK (quantity > 0),
    delivered_at_ms BIGINT NOT NULL
);

-- The receipt that belongs to a key is that of its order, so the two cannot disagree.
CREATE TABLE idempotency_keys (
    key           TEXT   PRIMARY KEY,
    fingerprint   TEXT   NOT NULL,
    order_id      TEXT   NOT NULL REFERENCES orders (id),
    expires_at_ms BIGINT NOT NULL
);

CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at_ms);

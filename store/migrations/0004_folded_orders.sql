-- Orders and deliveries that are kept no longer are folded: their rows are deleted, and these sums
-- grow by them, in one transaction. For every product, always:
--   initial_stock + sum(deliveries.quantity) + folded_products.delivered
--     - sum(order_lines.quantity) - folded_products.sold = on_hand >= 0

-- It has no foreign key: PostgreSQL would lock the product for it, and sales would wait for that.
CREATE TABLE folded_products (
    product_id BIGINT PRIMARY KEY,
    sold       BIGINT NOT NULL CHECK (sold >= 0),
    delivered  BIGINT NOT NULL CHECK (delivered >= 0)
);

-- One row at most: what was folded, and when the newest order of it was placed.
CREATE TABLE folded_orders (
    id                  BIGINT PRIMARY KEY CHECK (id = 1),
    orders              BIGINT NOT NULL CHECK (orders >= 0),
    total_cents         BIGINT NOT NULL CHECK (total_cents >= 0),
    deliveries          BIGINT NOT NULL CHECK (deliveries >= 0),
    newest_placed_at_ms BIGINT NOT NULL
);

-- These find the oldest.
CREATE INDEX orders_by_age ON orders (placed_at_ms);
CREATE INDEX deliveries_by_age ON deliveries (delivered_at_ms);

-- An order can be deleted only when no key refers to it, which the database looks up.
CREATE INDEX idempotency_keys_by_order ON idempotency_keys (order_id);

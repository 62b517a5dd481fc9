-- PostgreSQL looked up the order and the product of each line by a statement of its own, which was more
-- than half of the work of a large batch; and by a plan of the day on which the connection was made, which
-- may read a whole table that was small then. Here one statement looks up what all lines of a statement
-- name, by their indexes. It locks what it finds, as a foreign key does.
--
-- What the two foreign keys refused is refused, with the same code and the name of the same constraint:
-- lines without their order or product, and an order or a product that goes while lines name it.
--
-- One thing more is refused. What is deleted in a transaction that reads as of an earlier moment cannot be
-- compared with lines that were written since. So orders and products are deleted, or get other ids, in
-- transactions that are READ COMMITTED, as those of the store are.
--
-- The functions name their tables with their schemas and work as the owner of the tables, as foreign keys
-- do. So it does not matter who writes, with which rights and which search_path.

DO $migration$
DECLARE
    lines    CONSTANT text := (SELECT format('%s.%I', relnamespace::regnamespace, relname)
        FROM pg_class WHERE oid = 'order_lines'::regclass);
    orders   CONSTANT text := (SELECT format('%s.%I', relnamespace::regnamespace, relname)
        FROM pg_class WHERE oid = 'orders'::regclass);
    products CONSTANT text := (SELECT format('%s.%I', relnamespace::regnamespace, relname)
        FROM pg_class WHERE oid = 'products'::regclass);
    schema   CONSTANT text := (SELECT relnamespace::regnamespace::text
        FROM pg_class WHERE oid = 'order_lines'::regclass);
    settings CONSTANT text := 'LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, pg_temp SET enable_seqscan = off';
BEGIN

EXECUTE format($sql$
CREATE FUNCTION %1$s.check_order_lines() RETURNS trigger %2$s AS $function$
DECLARE
    missing text;
BEGIN
    SELECT line.order_id INTO missing FROM (SELECT DISTINCT order_id FROM changed) AS line
        WHERE NOT EXISTS (SELECT FROM %3$s WHERE id = line.order_id FOR KEY SHARE);
    IF FOUND THEN
        RAISE foreign_key_violation USING
            MESSAGE = 'insert or update on table "order_lines" violates foreign key constraint '
                || '"order_lines_order_id_fkey"',
            DETAIL = format('Key (order_id)=(%%s) is not present in table "orders".', missing),
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = 'order_lines_order_id_fkey';
    END IF;
    SELECT line.product_id INTO missing FROM (SELECT DISTINCT product_id FROM changed) AS line
        WHERE NOT EXISTS (SELECT FROM %4$s WHERE id = line.product_id FOR KEY SHARE);
    IF FOUND THEN
        RAISE foreign_key_violation USING
            MESSAGE = 'insert or update on table "order_lines" violates foreign key constraint '
                || '"order_lines_product_id_fkey"',
            DETAIL = format('Key (product_id)=(%%s) is not present in table "products".', missing),
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = 'order_lines_product_id_fkey';
    END IF;
    RETURN NULL;
END
$function$ $sql$, schema, settings, orders, products);

-- For orders, and for products, as a row of them has gone or has got another id.
EXECUTE format($sql$
CREATE FUNCTION %1$s.check_named_by_order_lines() RETURNS trigger %2$s AS $function$
DECLARE
    is_named boolean;
BEGIN
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE feature_not_supported USING
            MESSAGE = format('rows of table "%%s" can be deleted, or get another id, in a READ COMMITTED '
                || 'transaction only', TG_TABLE_NAME);
    END IF;
    IF TG_TABLE_NAME = 'orders' THEN
        is_named := EXISTS (SELECT FROM %3$s WHERE order_id = OLD.id::text)
            AND NOT EXISTS (SELECT FROM %4$s WHERE id = OLD.id::text);
    ELSE
        is_named := EXISTS (SELECT FROM %3$s WHERE product_id = OLD.id::bigint)
            AND NOT EXISTS (SELECT FROM %5$s WHERE id = OLD.id::bigint);
    END IF;
    IF is_named THEN
        RAISE foreign_key_violation USING
            MESSAGE = format('update or delete on table "%%s" violates foreign key constraint "%%s" '
                || 'on table "order_lines"', TG_TABLE_NAME, TG_ARGV[0]),
            DETAIL = format('Key (id)=(%%s) is still referenced from table "order_lines".', OLD.id),
            SCHEMA = TG_TABLE_SCHEMA, TABLE = 'order_lines', CONSTRAINT = TG_ARGV[0];
    END IF;
    RETURN NULL;
END
$function$ $sql$, schema, settings, lines, orders, products);

-- For both, as all their rows have gone at once.
EXECUTE format($sql$
CREATE FUNCTION %1$s.check_no_order_lines() RETURNS trigger %2$s AS $function$
BEGIN
    IF EXISTS (SELECT FROM %3$s) THEN
        RAISE feature_not_supported USING
            MESSAGE = 'cannot truncate a table referenced in a foreign key constraint',
            DETAIL = format('Table "order_lines" references "%%s".', TG_TABLE_NAME);
    END IF;
    RETURN NULL;
END
$function$ $sql$, schema, settings, lines);

EXECUTE format($sql$
CREATE TRIGGER check_inserted AFTER INSERT ON %2$s REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION %1$s.check_order_lines();
CREATE TRIGGER check_updated AFTER UPDATE ON %2$s REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION %1$s.check_order_lines();
CREATE TRIGGER check_lines AFTER DELETE OR UPDATE OF id ON %3$s
    FOR EACH ROW EXECUTE FUNCTION %1$s.check_named_by_order_lines('order_lines_order_id_fkey');
CREATE TRIGGER check_lines AFTER DELETE OR UPDATE OF id ON %4$s
    FOR EACH ROW EXECUTE FUNCTION %1$s.check_named_by_order_lines('order_lines_product_id_fkey');
CREATE TRIGGER check_no_lines AFTER TRUNCATE ON %3$s
    FOR EACH STATEMENT EXECUTE FUNCTION %1$s.check_no_order_lines();
CREATE TRIGGER check_no_lines AFTER TRUNCATE ON %4$s
    FOR EACH STATEMENT EXECUTE FUNCTION %1$s.check_no_order_lines();
ALTER TABLE %2$s DROP CONSTRAINT order_lines_order_id_fkey;
ALTER TABLE %2$s DROP CONSTRAINT order_lines_product_id_fkey
$sql$, schema, lines, orders, products);

END
$migration$;

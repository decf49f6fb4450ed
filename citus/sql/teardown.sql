SET client_min_messages = warning;
DROP SCHEMA deltaetl_citus CASCADE;

-- A login for each function, for whoever administers the server. Run it with psql after the first `migrate`. The four
-- passwords are variables of psql, and without them the file is refused. The limits add up to less than the 100
-- connections that Postgres allows by default; raise them with `max_connections`.

create role postern_proxy_login login password :'proxy_password' in role postern_proxy connection limit 60;
create role postern_webhooks_login login password :'webhooks_password' in role postern_webhooks connection limit 25;
create role postern_sweep_login login password :'sweep_password' in role postern_sweep connection limit 4;
create role postern_control_login login password :'control_password' in role postern_control connection limit 4;

-- The server ends what a function no longer waits for. Keep it above DATABASE_TIMEOUT_MS.
alter role postern_proxy_login set statement_timeout = '5s';
alter role postern_webhooks_login set statement_timeout = '5s';
alter role postern_sweep_login set statement_timeout = '30s';
alter role postern_control_login set statement_timeout = '5s';

-- The functions open no transaction that outlives a statement.
alter role postern_proxy_login set idle_in_transaction_session_timeout = '5s';
alter role postern_webhooks_login set idle_in_transaction_session_timeout = '5s';
alter role postern_sweep_login set idle_in_transaction_session_timeout = '5s';
alter role postern_control_login set idle_in_transaction_session_timeout = '5s';

-- Before functions are created: whoever migrates takes on the owners' roles, and the owners may create.

-- Postgres plans the bodies of SQL functions when it creates them, and `migrate` forbids a plan that row-level security
-- would change. Tests call every function.
set local check_function_bodies = off;

do $$
declare
    v_owner text;
begin
    -- A superuser needs no membership.
    if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
        foreach v_owner in array array['postern_proxy_owner', 'postern_webhooks_owner', 'postern_sweep_owner',
            'postern_control_owner', 'postern_finder', 'postern_remover', 'postern_courier']
        loop
            if not pg_has_role(current_user, v_owner, 'usage') then
                execute format('grant %I to current_user', v_owner)
                    -- Before Postgres 16, membership always included both.
                    || case when current_setting('server_version_num')::integer >= 160000
                        then ' with inherit true, set true' else '' end;
            end if;
        end loop;
    end if;
end $$;

grant create on schema postern_finder, postern_webhooks, postern_control to postern_finder;
grant create on schema postern_proxy to postern_proxy_owner;
grant create on schema postern_webhooks to postern_webhooks_owner;
grant create on schema postern_sweep to postern_sweep_owner, postern_remover, postern_courier;
grant create on schema postern_control to postern_control_owner;
grant create on schema postern_control to postern_finder;

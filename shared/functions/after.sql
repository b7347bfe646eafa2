-- After functions were created: nobody creates more, and each may call its own alone.

revoke create on schema postern_finder, postern_proxy, postern_webhooks, postern_sweep, postern_control
    from postern_finder, postern_proxy_owner, postern_webhooks_owner, postern_sweep_owner, postern_remover,
        postern_courier, postern_control_owner;

-- Postgres lets everybody execute a new function.
revoke execute on all functions in schema postern, postern_finder, postern_proxy, postern_webhooks, postern_sweep,
    postern_control from public;

grant execute on all functions in schema postern to postern_proxy_owner, postern_webhooks_owner, postern_sweep_owner,
    postern_control_owner, postern_remover;
grant execute on function postern.rfc3339_1(timestamptz) to postern_finder;
grant execute on all functions in schema postern_finder to postern_proxy_owner;
grant execute on all functions in schema postern_proxy to postern_proxy;
grant execute on all functions in schema postern_webhooks to postern_webhooks;
grant execute on all functions in schema postern_sweep to postern_sweep;
grant execute on all functions in schema postern_control to postern_control;

do $$
declare
    v_role text;
begin
    if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
        -- One login can serve all four functions. It does not keep the owners' roles, which see more.
        foreach v_role in array array['postern_proxy', 'postern_webhooks', 'postern_sweep', 'postern_control'] loop
            if not pg_has_role(current_user, v_role, 'usage') then
                execute format('grant %I to current_user', v_role);
            end if;
        end loop;
        foreach v_role in array array['postern_proxy_owner', 'postern_webhooks_owner', 'postern_sweep_owner',
            'postern_control_owner', 'postern_finder', 'postern_remover', 'postern_courier']
        loop
            execute format('revoke %I from current_user', v_role);
        end loop;
    end if;
end $$;

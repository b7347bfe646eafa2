-- Settings of the database itself, which a copy of it does not inherit. They are made at each `migrate`, if whoever
-- migrates owns the database.

do $$
declare
    v_path constant text := '"$user", public, postern';
begin
    if not pg_has_role(current_user, (select datdba from pg_database where datname = current_database()), 'usage') then
        return;
    end if;
    -- Operators may write `select * from grants`.
    if not exists (
        select from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
        where d.datname = current_database() and s.setrole = 0 and 'search_path=' || v_path = any (s.setconfig)
    ) then
        execute format('alter database %I set search_path = %s', current_database(), v_path);
    end if;
    -- The functions need no tables of their own.
    if exists (
        select from pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
        where d.datname = current_database() and a.grantee = 0 and a.privilege_type in ('TEMPORARY', 'CREATE')
    ) then
        execute format('revoke temporary, create on database %I from public', current_database());
    end if;
    if exists (
        select from pg_namespace n, aclexplode(n.nspacl) a
        where n.nspname = 'public' and a.grantee = 0 and a.privilege_type = 'CREATE'
            and pg_has_role(current_user, n.nspowner, 'usage')
    ) then
        revoke create on schema public from public;
    end if;
end $$;

//! What the catalogue says of tables, schemas, functions and roles.

use super::{ACROSS, GROUPS, OWNERS, done};
use tokio_postgres::Client;

/// Where the catalogue is not as it should be.
pub(super) async fn of_the_catalogue(client: &Client) -> Vec<String> {
    let roles: Vec<&str> = OWNERS
        .iter()
        .chain(&ACROSS)
        .chain(&GROUPS)
        .copied()
        .collect();
    let groups = GROUPS.join(",");
    let roles = roles.join(",");
    let schemas =
        "postern,postern_finder,postern_proxy,postern_webhooks,postern_sweep,postern_control";
    let deviations = format!(
        r"
select 'row-level security is not forced: ' || c.relname
from pg_class c
where c.relnamespace = 'postern'::regnamespace and c.relkind = 'r' and c.relname <> 'refinery_schema_history'
    and not (c.relrowsecurity and c.relforcerowsecurity)
union all
select 'may do more than log in, or log in: ' || r.rolname
from pg_roles r
where r.rolname = any ('{{{roles}}}')
    and (r.rolcanlogin or r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication)
union all
select m.roleid::regrole || ' has the member ' || m.member::regrole
from pg_auth_members m
where m.roleid::regrole::text = any ('{{{roles}}}')
    and (m.roleid::regrole::text <> all ('{{{groups}}}') or m.member::regrole::text = any ('{{{roles}}}'))
union all
select a.grantee::regrole || ' has ' || a.privilege_type || ' on the schema ' || n.nspname
from pg_namespace n, aclexplode(n.nspacl) a
where (n.nspname = any ('{{{schemas}}}') and a.grantee <> n.nspowner
        and not (a.privilege_type = 'USAGE' and a.grantee::regrole::text = n.nspname)
        and not (a.privilege_type = 'USAGE' and n.nspname = 'postern' and a.grantee::regrole::text = any ('{{{roles}}}')
            and a.grantee::regrole::text <> all ('{{{groups}}}'))
        and not (a.privilege_type = 'USAGE' and n.nspname = 'postern_finder'
            and a.grantee::regrole::text = 'postern_proxy_owner'))
    or (n.nspname = 'public' and a.grantee = 0 and a.privilege_type = 'CREATE')
union all
select a.grantee::regrole || ' has ' || a.privilege_type || ' on the table ' || c.relname
from pg_class c, aclexplode(c.relacl) a
where c.relnamespace = 'postern'::regnamespace and (a.grantee = 0 or a.grantee::regrole::text = any ('{{{groups}}}'))
union all
select a.grantee::regrole || ' has ' || a.privilege_type || ' on a column of ' || t.attrelid::regclass
from pg_attribute t join pg_class c on c.oid = t.attrelid, aclexplode(t.attacl) a
where c.relnamespace = 'postern'::regnamespace and (a.grantee = 0 or a.grantee::regrole::text = any ('{{{groups}}}'))
union all
select 'everybody has ' || a.privilege_type || ' on the database'
from pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
where d.datname = current_database() and a.grantee = 0 and a.privilege_type <> 'CONNECT'
union all
select coalesce(nullif(a.grantee, 0)::regrole::text, 'everybody') || ' executes ' || p.oid::regprocedure
from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
where p.pronamespace::regnamespace::text = any ('{{{schemas}}}') and a.grantee <> p.proowner
    and not (a.grantee::regrole::text = p.pronamespace::regnamespace::text)
    and not (p.pronamespace = 'postern'::regnamespace and a.grantee::regrole::text = any ('{{{roles}}}')
        and a.grantee::regrole::text <> all ('{{{groups}}}'))
    and not (p.pronamespace = 'postern_finder'::regnamespace and a.grantee::regrole::text = 'postern_proxy_owner')
union all
select 'not executable by its own group: ' || p.oid::regprocedure
from pg_proc p
where p.pronamespace::regnamespace::text = any ('{{{groups}}}')
    and not has_function_privilege(p.pronamespace::regnamespace::text, p.oid, 'execute')
union all
select 'runs with the rights of its caller, or on the search path of its caller: ' || p.oid::regprocedure
from pg_proc p
where p.pronamespace::regnamespace::text = any ('{{{schemas}}}') and p.pronamespace <> 'postern'::regnamespace
    and not (p.prosecdef and 'search_path=pg_catalog, pg_temp' = any (coalesce(p.proconfig, '{{}}')))
union all
select 'does not declare its organization first: ' || p.oid::regprocedure
from pg_proc p
where p.proowner::regrole::text like 'postern\_%\_owner'
    and p.prosrc !~ $$begin\s+(--[^\n]*\n\s*)?perform set_config\('postern.organization', coalesce\([pv]_organization, ''\), true\);$$
union all
select 'is owned by another role: ' || p.oid::regprocedure || ' ' || p.proowner::regrole
from pg_proc p
where p.pronamespace::regnamespace::text = any ('{{{schemas}}}') and p.pronamespace <> 'postern'::regnamespace
    and p.proowner::regrole::text <> case
        when p.pronamespace = 'postern_finder'::regnamespace then 'postern_finder'
        when p.proname in ('connection_claimed_1', 'organization_list_1', 'sealed_secrets_stale_1') then 'postern_finder'
        when p.proname in ('deliveries_due_1', 'interactions_unsettled_1', 'interactions_unposted_1') then 'postern_courier'
        when p.proname ~ '^delete_' or p.proname = 'oldest_age_1' then 'postern_remover'
        else p.pronamespace::regnamespace::text || '_owner'
    end"
    );
    done(client, &deviations).await
}

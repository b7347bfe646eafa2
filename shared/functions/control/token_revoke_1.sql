-- Revokes one worker token. The row is kept for at least the longest lifetime of a token, even if the caller gives an
-- earlier expiry.
create function postern_control.token_revoke_1(
    p_organization text, p_jti text, p_expires_at timestamptz, p_longest_life_ms float8)
returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    insert into postern.revoked_tokens as r (organization_id, jti, expires_at)
    values (p_organization, p_jti, greatest(p_expires_at, now() + p_longest_life_ms * interval '1 millisecond'))
    on conflict (organization_id, jti) do update
    set expires_at = greatest(r.expires_at, excluded.expires_at);
end $$;

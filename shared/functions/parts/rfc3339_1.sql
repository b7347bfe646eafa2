-- A time as payloads and answers show it: RFC 3339 in UTC, with milliseconds.
create function postern.rfc3339_1(p_time timestamptz) returns text
language sql stable
return to_char(p_time at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- Subscription tiers and what they allow, held by the database itself; versions of a trader; who may write which column; the audit log.
--
-- SQLSTATEs PTxyz reach the caller with HTTP status xyz:
--   PT402 the tier has no cloud traders   PT409 too many cloud traders   PT425 cadence too fast   PT413 too many symbols
--   PT403 a column that only the workers write

-- Mirrors domain/tiers.py; a test compares the two. Null: no limit.
create or replace function public.tier_limits(tier text)
returns table (max_traders integer, max_symbols integer, fastest_cadence_seconds numeric) language sql immutable set search_path = '' as $$
  select l.max_traders, l.max_symbols, l.fastest_cadence_seconds
  from (values ('free', 0, 0, 60.0), ('pro', 10, 50, 60.0), ('elite', 1000, null, 1.0))
    as l (tier, max_traders, max_symbols, fastest_cadence_seconds)
  where l.tier = tier_limits.tier
$$;

-- Runs with the caller's rights: a user learns his own tier, anybody else's looks free.
create or replace function public.current_tier(of_user uuid) returns text language sql stable set search_path = '' as $$
  select case max(case s.tier::text when 'elite' then 2 when 'pro' then 1 else 0 end) when 2 then 'elite' when 1 then 'pro' else 'free' end
  from public.user_subscriptions s
  where s.user_id = of_user and s.status::text in ('active', 'trialing') and (s.expires_at is null or s.expires_at > now())
$$;

create or replace function private.tier_rank(tier text) returns integer language sql immutable set search_path = '' as $$
  select case tier when 'elite' then 2 when 'pro' then 1 else 0 end
$$;

-- Refuses what the owner's tier does not allow, when a trader is switched to the cloud or its cloud settings change.
create or replace function private.hold_cloud_limits() returns trigger language plpgsql set search_path = '' as $$
declare
  tier text;
  allowed record;
  cadence numeric;
  symbols integer;
  others integer;
begin
  if not coalesce((new.cloud_config ->> 'enabledInCloud')::boolean, false) or new.is_built_in then
    return new;
  end if;
  if tg_op = 'UPDATE' and new.cloud_config = old.cloud_config and new.user_id = old.user_id and new.is_built_in = old.is_built_in then
    return new;
  end if;
  tier := public.current_tier(new.user_id);
  select * into allowed from public.tier_limits(tier);
  if allowed.max_traders = 0 then
    raise exception 'Running traders in the cloud needs the Pro or Elite tier' using errcode = 'PT402', hint = 'Upgrade to deploy this trader.';
  end if;
  cadence := coalesce((new.cloud_config ->> 'cadenceSeconds')::numeric, allowed.fastest_cadence_seconds);
  if cadence < allowed.fastest_cadence_seconds then
    raise exception 'The % tier evaluates every % s at most, not every % s', tier, trim_scale(allowed.fastest_cadence_seconds), cadence
      using errcode = 'PT425';
  end if;
  symbols := jsonb_array_length(coalesce(new.cloud_config -> 'symbols', '[]'));
  if symbols > allowed.max_symbols then
    raise exception 'The % tier allows % symbols per trader, not %', tier, allowed.max_symbols, symbols using errcode = 'PT413';
  end if;
  -- Two deployments at once must not both find the last place free.
  perform pg_advisory_xact_lock(hashtextextended('cloud traders of ' || new.user_id, 0));
  select count(*) into others from public.traders t
    where t.user_id = new.user_id and t.id <> new.id and not t.is_built_in and (t.cloud_config ->> 'enabledInCloud')::boolean;
  if others >= allowed.max_traders then
    raise exception 'The % tier allows % traders in the cloud, and that many are there', tier, allowed.max_traders
      using errcode = 'PT409', hint = 'Remove one from the cloud or upgrade.';
  end if;
  return new;
end $$;

-- A new version for every change of what runs. Whether it runs (enabledInCloud) and what became of it (cloud_status) are not part of it.
create or replace function private.count_version() returns trigger language plpgsql set search_path = '' as $$
begin
  if (new.filter, new.strategy, new.cloud_config - 'enabledInCloud') is distinct from (old.filter, old.strategy, old.cloud_config - 'enabledInCloud') then
    new.version := old.version + 1;
  end if;
  return new;
end $$;

-- Runs with owner rights: versions are written here alone, so that nobody can rewrite what a signal refers to.
create or replace function private.keep_version() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public.trader_versions (trader_id, version, filter, strategy, cloud_config, created_by)
  values (new.id, new.version, new.filter, new.strategy, new.cloud_config, auth.uid())
  on conflict do nothing;
  return null;
end $$;

insert into public.trader_versions (trader_id, version, filter, strategy, cloud_config)
select id, version, filter, strategy, cloud_config from public.traders on conflict do nothing;

-- Runs with the caller's rights. Changes what is given and keeps the rest: two changes at once must not undo one another.
-- The changes are JSON objects as text, because some servers of this API hand a jsonb argument over as a string within JSON.
create or replace function public.configure_trader(trader uuid, filter_changes text, config_changes text) returns setof public.traders
language sql set search_path = '' as $$
  update public.traders set filter = filter || filter_changes::jsonb, cloud_config = cloud_config || config_changes::jsonb
  where id = trader returning *
$$;

-- Runs with owner rights, for the service role alone: the API does not serve Auth's own tables.
create or replace function public.user_id_by_email(address text) returns uuid language sql stable security definer set search_path = '' as $$
  select u.id from auth.users u where lower(u.email) = lower(address) order by u.created_at limit 1
$$;

-- The argument maps the columns that only workers write to what they are in a new row.
create or replace function private.guard_columns() returns trigger language plpgsql set search_path = '' as $$
declare
  initial jsonb := tg_argv[0];
  present jsonb := to_jsonb(new);
  former jsonb := case tg_op when 'UPDATE' then to_jsonb(old) else initial end;
  field text;
begin
  if current_user in ('anon', 'authenticated') then
    for field in select jsonb_object_keys(initial) loop
      if present -> field is distinct from former -> field then
        raise exception '%.% is written by the workers only', tg_table_name, field using errcode = 'PT403';
      end if;
    end loop;
  end if;
  return new;
end $$;

create or replace function private.touch() returns trigger language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  return new;
end $$;

-- Runs with owner rights: nobody may write the audit log, not even through the change it records.
create or replace function private.audit() returns trigger language plpgsql security definer set search_path = '' as $$
declare
  subject jsonb := to_jsonb(case tg_op when 'DELETE' then old else new end);
  former jsonb := case tg_op when 'UPDATE' then to_jsonb(old) else '{}' end;
  changed jsonb;
begin
  select coalesce(jsonb_object_agg(key, value), '{}') into changed from jsonb_each(subject - 'updated_at')
    where value is distinct from former -> key;
  insert into public.audit_log (user_id, actor, actor_role, action, subject, subject_id, details)
  values ((subject ->> 'user_id')::uuid, auth.uid(), coalesce(nullif(current_setting('role', true), 'none'), session_user), lower(tg_op), tg_table_name, subject ->> 'id', changed);
  return null;
end $$;

-- Triggers fire in the order of their names.
create or replace trigger traders_1_guard before insert or update on public.traders for each row execute function
  private.guard_columns('{"version": 1, "is_built_in": false, "cloud_status": null, "cloud_status_reason": null, "cloud_status_since": null}');
create or replace trigger traders_2_limits before insert or update of cloud_config, user_id, is_built_in on public.traders
  for each row execute function private.hold_cloud_limits();
create or replace trigger traders_3_version before update on public.traders for each row execute function private.count_version();
create or replace trigger traders_4_keep_version after insert or update on public.traders for each row execute function private.keep_version();
create or replace trigger traders_5_audit after insert or delete or update of name, enabled, mode, filter, strategy, cloud_config, runs_in
  on public.traders for each row execute function private.audit();

create or replace trigger exchange_accounts_1_guard before insert or update on public.exchange_accounts for each row execute function
  private.guard_columns('{"permissions": null, "permissions_checked_at": null}');
create or replace trigger notification_channels_1_guard before insert or update on public.notification_channels for each row execute function
  private.guard_columns('{"verified_at": null}');

do $$
declare
  target text;
begin
  foreach target in array array['exchange_accounts', 'risk_limits', 'trading_fences'] loop
    execute format('create or replace trigger %I after insert or update or delete on public.%I for each row execute function private.audit()',
      target || '_5_audit', target);
  end loop;
  foreach target in array array['user_profiles', 'user_subscriptions', 'user_preferences', 'traders', 'signals', 'cloud_trader_instances',
    'trader_conditions', 'notification_channels', 'exchange_accounts', 'positions', 'orders', 'risk_limits'] loop
    execute format('create or replace trigger %I before update on public.%I for each row execute function private.touch()',
      target || '_9_touch', target);
  end loop;
end $$;

-- Who may do what. Owners see and change their own rows; what workers record is read-only; the service role passes by every policy.
-- Policies alone must hold: some servers of this API grant every table to every role at each start.

-- verbs: which of select, insert, update, delete the condition allows to signed-in users.
create or replace function pg_temp.allow(target text, verbs text, condition text) returns void language plpgsql as $$
declare
  verb text;
  rule text;
begin
  foreach verb in array string_to_array(verbs, ' ') loop
    rule := format('own rows: %s', verb);
    if exists (select from pg_policies where schemaname = 'public' and tablename = target and policyname = rule) then
      execute format('drop policy %I on public.%I', rule, target);
    end if;
    execute format('create policy %I on public.%I for %s to authenticated %s %s', rule, target, verb,
      case when verb <> 'insert' then format('using (%s)', condition) end,
      case when verb in ('insert', 'update') then format('with check (%s)', condition) end);
  end loop;
end $$;

-- A restrictive policy holds beside whatever older policies allow.
create or replace function pg_temp.forbid_unless(target text, condition text) returns void language plpgsql as $$
declare
  verb text;
  rule text;
begin
  foreach verb in array array['insert', 'update', 'delete'] loop
    rule := format('nothing else: %s', verb);
    if exists (select from pg_policies where schemaname = 'public' and tablename = target and policyname = rule) then
      execute format('drop policy %I on public.%I', rule, target);
    end if;
    execute format('create policy %I on public.%I as restrictive for %s to anon, authenticated %s %s', rule, target, verb,
      case when verb <> 'insert' then format('using (%s)', condition) end,
      case when verb in ('insert', 'update') then format('with check (%s)', condition) end);
  end loop;
end $$;

do $$
declare
  target text;
begin
  for target in select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
    and c.relname in ('user_profiles', 'user_subscriptions', 'user_preferences', 'traders', 'signals', 'trades', 'trader_versions',
      'cloud_trader_instances', 'cloud_execution_logs', 'cloud_resource_usage', 'signal_analyses', 'monitoring_decisions',
      'trader_conditions', 'trader_errors', 'notification_channels', 'notifications', 'audit_log', 'exchange_accounts',
      'exchange_credentials', 'positions', 'orders', 'fills', 'risk_limits', 'trading_fences')
  loop
    execute format('alter table public.%I enable row level security', target);
    execute format('revoke all on public.%I from anon', target);
    execute format('revoke truncate, references, trigger on public.%I from authenticated', target);
    execute format('grant select, insert, update, delete on public.%I to authenticated, service_role', target);
  end loop;
end $$;

-- Their own, to read and to change.
select pg_temp.allow(target, 'select insert update delete', 'user_id = (select auth.uid())')
from unnest(array['user_profiles', 'user_preferences', 'trades', 'notification_channels', 'exchange_accounts', 'risk_limits']) as target;

select
  pg_temp.allow('traders', 'insert update delete', 'user_id = (select auth.uid()) and not is_built_in'),
  pg_temp.allow('traders', 'select', 'user_id = (select auth.uid())
    or (is_built_in and private.tier_rank(access_tier) <= private.tier_rank((select public.current_tier((select auth.uid())))))'),
  pg_temp.allow('signals', 'insert update delete', 'user_id = (select auth.uid()) and source = ''local''
    and exists (select from public.traders t where t.id = trader_id)'),
  pg_temp.allow('trading_fences', 'select', 'user_id is null or user_id = (select auth.uid())'),
  pg_temp.allow('trading_fences', 'insert update delete', 'user_id = (select auth.uid()) and engaged_by = ''user'''),
  pg_temp.allow('exchange_credentials', 'insert', 'exists (select from public.exchange_accounts a where a.id = account_id)');

-- Their own, to read: workers and billing write these.
select pg_temp.allow(target, 'select', 'user_id = (select auth.uid())')
from unnest(array['user_subscriptions', 'cloud_trader_instances', 'cloud_resource_usage', 'notifications', 'audit_log', 'positions',
  'orders', 'fills']) as target;

-- What belongs to a trader or signal is as visible as that is: the subquery stands under its policies.
select pg_temp.allow(target, 'select', 'exists (select from public.traders t where t.id = trader_id)')
from unnest(array['trader_versions', 'trader_conditions', 'trader_errors']) as target;
select
  pg_temp.allow('cloud_execution_logs', 'select', 'exists (select from public.traders t where t.id = trader_id)'),
  pg_temp.allow('signals', 'select', 'user_id = (select auth.uid())
    or (user_id is null and exists (select from public.traders t where t.id = trader_id and t.is_built_in))'),
  pg_temp.allow('signal_analyses', 'select', 'exists (select from public.signals s where s.id = signal_id)'),
  pg_temp.allow('monitoring_decisions', 'select', 'exists (select from public.signals s where s.id = signal_id)');

-- The product's own policies stay; these hold whatever they say.
select pg_temp.forbid_unless(target, 'user_id = (select auth.uid())')
from unnest(array['user_profiles', 'user_preferences', 'traders', 'trades']) as target;
select
  pg_temp.forbid_unless('signals', 'user_id = (select auth.uid()) and source = ''local'''),
  pg_temp.forbid_unless('user_subscriptions', 'false');

do $$
declare
  old record;
begin
  for old in select * from pg_policies where schemaname = 'public' and permissive = 'PERMISSIVE'
    and (btrim(qual, '() ') = 'true' or btrim(with_check, '() ') = 'true')
  loop
    raise notice 'policy % on public.% lets everybody %: review it', quote_ident(old.policyname), old.tablename, lower(old.cmd);
  end loop;
end $$;

revoke all on all functions in schema private from public;
grant execute on function private.tier_rank(text) to authenticated, service_role;
revoke all on function public.keep_execution_log_days(integer, integer) from public, anon, authenticated;
grant execute on function public.keep_execution_log_days(integer, integer) to service_role;
revoke all on function public.user_id_by_email(text) from public, anon, authenticated;
grant execute on function public.user_id_by_email(text) to service_role;
revoke all on function public.configure_trader(uuid, text, text) from public, anon;
grant execute on function public.configure_trader(uuid, text, text) to authenticated, service_role;
revoke all on function public.current_tier(uuid) from public, anon;
grant execute on function public.current_tier(uuid) to authenticated, service_role;
revoke all on function public.tier_limits(text) from public;
grant execute on function public.tier_limits(text) to anon, authenticated, service_role;
revoke all on schema partitions from public, anon, authenticated;
grant usage on schema partitions to service_role;

drop function pg_temp.allow(text, text, text);
drop function pg_temp.forbid_unless(text, text);

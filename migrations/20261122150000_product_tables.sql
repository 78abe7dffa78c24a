-- The product's own tables. They exist already in the product's database, with more or fewer columns than here, and not at all in an
-- empty one. Both end with the columns below. Nothing is dropped or retyped; what differs is reported as a NOTICE.

create schema if not exists private;
comment on schema private is 'Functions of triggers and policies. Not served by the API.';
grant usage on schema private to anon, authenticated, service_role;

-- Add a column that is missing; report one of another type.
create or replace function pg_temp.want(target text, field text, wanted text, modifiers text default '') returns void language plpgsql as $$
declare
  present text;
begin
  if to_regclass('public.' || target) is null then
    execute format('create table public.%I (id uuid primary key default gen_random_uuid())', target);
  end if;
  execute format('alter table public.%I enable row level security', target);
  select format_type(a.atttypid, a.atttypmod) into present from pg_catalog.pg_attribute a
    where a.attrelid = format('public.%I', target)::regclass and a.attname = field and not a.attisdropped;
  if present is null then
    execute format('alter table public.%I add column %I %s %s', target, field, wanted, modifiers);
  elsif present <> wanted and field in ('id', 'user_id', 'trader_id') then
    raise exception 'public.%.% is % and must be %: other tables refer to it', target, field, present, wanted;
  elsif present <> wanted then
    raise notice 'public.%.% is % here and % in our schema: left as it is', target, field, present, wanted;
  end if;
end $$;

-- Add a constraint that is missing. Old rows may break it: then it holds for new rows only, and that is reported.
create or replace function pg_temp.want_constraint(target text, rule text, definition text) returns void language plpgsql as $$
begin
  if exists (select from pg_catalog.pg_constraint where conrelid = format('public.%I', target)::regclass and conname = rule) then
    return;
  end if;
  execute format('alter table public.%I add constraint %I %s not valid', target, rule, definition);
  execute format('alter table public.%I validate constraint %I', target, rule);
exception when check_violation or foreign_key_violation then
  execute format('alter table public.%I add constraint %I %s not valid', target, rule, definition);
  raise notice 'public.% has rows that break %: it holds for new rows only', target, rule;
end $$;

select
  pg_temp.want('user_profiles', 'user_id', 'uuid'),
  pg_temp.want('user_profiles', 'email', 'text'),
  pg_temp.want('user_profiles', 'display_name', 'text'),
  pg_temp.want('user_profiles', 'created_at', 'timestamp with time zone', 'not null default now()'),
  pg_temp.want('user_profiles', 'updated_at', 'timestamp with time zone', 'not null default now()');

select
  pg_temp.want('user_subscriptions', 'user_id', 'uuid'),
  pg_temp.want('user_subscriptions', 'tier', 'text', 'not null default ''free'''),
  pg_temp.want('user_subscriptions', 'status', 'text', 'not null default ''active'''),
  pg_temp.want('user_subscriptions', 'expires_at', 'timestamp with time zone'),
  pg_temp.want('user_subscriptions', 'created_at', 'timestamp with time zone', 'not null default now()'),
  pg_temp.want('user_subscriptions', 'updated_at', 'timestamp with time zone', 'not null default now()');

select
  pg_temp.want('user_preferences', 'user_id', 'uuid'),
  pg_temp.want('user_preferences', 'preferences', 'jsonb', 'not null default ''{}'''),
  pg_temp.want('user_preferences', 'created_at', 'timestamp with time zone', 'not null default now()'),
  pg_temp.want('user_preferences', 'updated_at', 'timestamp with time zone', 'not null default now()');

select
  pg_temp.want('traders', 'user_id', 'uuid'),
  pg_temp.want('traders', 'name', 'text', 'not null default '''''),
  pg_temp.want('traders', 'description', 'text', 'not null default '''''),
  pg_temp.want('traders', 'enabled', 'boolean', 'not null default false'),
  pg_temp.want('traders', 'mode', 'text', 'not null default ''demo'''),
  pg_temp.want('traders', 'filter', 'jsonb', 'not null default ''{}'''),
  pg_temp.want('traders', 'strategy', 'jsonb', 'not null default ''{}'''),
  pg_temp.want('traders', 'version', 'integer', 'not null default 1'),
  pg_temp.want('traders', 'access_tier', 'text', 'not null default ''free'''),
  pg_temp.want('traders', 'is_built_in', 'boolean', 'not null default false'),
  pg_temp.want('traders', 'runs_in', 'text', 'not null default ''browser'''),
  pg_temp.want('traders', 'cloud_config', 'jsonb', 'not null default ''{}'''),
  pg_temp.want('traders', 'cloud_status', 'text'),
  pg_temp.want('traders', 'cloud_status_reason', 'text'),
  pg_temp.want('traders', 'cloud_status_since', 'timestamp with time zone'),
  pg_temp.want('traders', 'created_at', 'timestamp with time zone', 'not null default now()'),
  pg_temp.want('traders', 'updated_at', 'timestamp with time zone', 'not null default now()');

select
  pg_temp.want('signals', 'trader_id', 'uuid'),
  pg_temp.want('signals', 'trader_version', 'integer'),
  pg_temp.want('signals', 'user_id', 'uuid'),
  pg_temp.want('signals', 'symbol', 'text'),
  pg_temp.want('signals', 'interval', 'text'),
  pg_temp.want('signals', 'candle_open_time', 'timestamp with time zone'),
  pg_temp.want('signals', 'price', 'numeric'),
  pg_temp.want('signals', 'change_percent', 'double precision'),
  pg_temp.want('signals', 'quote_volume', 'double precision'),
  pg_temp.want('signals', 'matched_conditions', 'jsonb', 'not null default ''[]'''),
  pg_temp.want('signals', 'values', 'jsonb', 'not null default ''{}'''),
  pg_temp.want('signals', 'source', 'text', 'not null default ''local'''),
  pg_temp.want('signals', 'market', 'text', 'not null default ''binance'''),
  pg_temp.want('signals', 'initial', 'boolean', 'not null default false'),
  pg_temp.want('signals', 'late', 'boolean', 'not null default false'),
  pg_temp.want('signals', 'snapshot_seq', 'bigint'),
  pg_temp.want('signals', 'data_age_ms', 'bigint'),
  pg_temp.want('signals', 'status', 'text', 'not null default ''new'''),
  pg_temp.want('signals', 'closed_at', 'timestamp with time zone'),
  pg_temp.want('signals', 'created_at', 'timestamp with time zone', 'not null default now()'),
  pg_temp.want('signals', 'updated_at', 'timestamp with time zone', 'not null default now()');

select
  pg_temp.want('trades', 'user_id', 'uuid'),
  pg_temp.want('trades', 'trader_id', 'uuid'),
  pg_temp.want('trades', 'signal_id', 'uuid'),
  pg_temp.want('trades', 'created_at', 'timestamp with time zone', 'not null default now()');

select pg_temp.want_constraint(target, target || '_user_id_fkey', 'foreign key (user_id) references auth.users (id) on delete cascade')
from unnest(array['user_profiles', 'user_subscriptions', 'user_preferences', 'traders', 'signals', 'trades']) as target;

select
  pg_temp.want_constraint('traders', 'traders_owner_check', 'check (user_id is not null or is_built_in)'),
  pg_temp.want_constraint('traders', 'traders_mode_check', 'check (mode in (''demo'', ''live''))'),
  pg_temp.want_constraint('traders', 'traders_runs_in_check', 'check (runs_in in (''browser'', ''cloud'', ''both''))'),
  pg_temp.want_constraint('traders', 'traders_cloud_status_check',
    'check (cloud_status in (''starting'', ''running'', ''paused'', ''stopped'', ''error''))'),
  pg_temp.want_constraint('signals', 'signals_trader_id_fkey', 'foreign key (trader_id) references public.traders (id) on delete cascade'),
  pg_temp.want_constraint('signals', 'signals_source_check', 'check (source in (''local'', ''cloud''))'),
  pg_temp.want_constraint('signals', 'signals_market_check', 'check (market in (''binance'', ''simulated'', ''replay''))'),
  pg_temp.want_constraint('signals', 'signals_status_check',
    'check (status in (''new'', ''analyzing'', ''monitoring'', ''ready'', ''in_position'', ''closed'', ''expired'', ''rejected''))');

create unique index if not exists signals_once on public.signals (trader_id, symbol, "interval", candle_open_time);
create index if not exists signals_by_user on public.signals (user_id, created_at desc, id desc);
create index if not exists signals_by_trader on public.signals (trader_id, created_at desc, id desc);
create index if not exists traders_by_user on public.traders (user_id);
create index if not exists user_subscriptions_by_user on public.user_subscriptions (user_id);
create index if not exists user_profiles_by_email on public.user_profiles (lower(email));

-- Our inserts know nothing of the product's extra columns.
do $$
declare
  strange record;
begin
  for strange in
    select c.relname, a.attname from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
    where c.relnamespace = 'public'::regnamespace and a.attnum > 0 and a.attnotnull and not a.atthasdef and a.attidentity = ''
      and c.relname = 'signals' and a.attname not in ('id')
  loop
    raise warning 'public.%.% is NOT NULL without a default: cloud workers cannot insert until it gets one', strange.relname, strange.attname;
  end loop;
end $$;

drop function pg_temp.want(text, text, text, text);
drop function pg_temp.want_constraint(text, text, text);

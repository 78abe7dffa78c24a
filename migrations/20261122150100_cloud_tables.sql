-- What running traders in the cloud adds: versions, instances, execution records, usage, analyses, conditions, errors, notifications.

create table if not exists public.trader_versions (
  trader_id uuid not null references public.traders (id) on delete cascade,
  version integer not null check (version > 0),
  filter jsonb not null,
  strategy jsonb not null,
  cloud_config jsonb not null,
  created_by uuid,
  created_at timestamptz not null default now(),
  deployed_at timestamptz,
  primary key (trader_id, version)
);
comment on column public.trader_versions.deployed_at is 'When this version first ran in the cloud; null when it never did.';

create table if not exists public.cloud_trader_instances (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  instance_id text not null unique,
  status text not null check (status in ('provisioning', 'running', 'paused', 'stopped', 'error')),
  status_reason text not null default '',
  deployment_type text not null default 'shared' check (deployment_type in ('shared', 'dedicated', 'edge_function', 'cloud_run')),
  region text,
  resources jsonb not null default '{}',
  health_metrics jsonb not null default '{}',
  last_health_check timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index if not exists cloud_trader_instances_live on public.cloud_trader_instances (user_id) where status <> 'stopped';

create table if not exists public.cloud_execution_logs (
  id uuid not null default gen_random_uuid(),
  instance_id uuid references public.cloud_trader_instances (id) on delete set null,
  trader_id uuid not null references public.traders (id) on delete cascade,
  trader_version integer not null,
  started_at timestamptz not null,
  execution_time bigint not null,
  outcome text not null check (outcome in ('evaluated', 'stale', 'failed')),
  market text not null check (market in ('binance', 'simulated', 'replay')),
  symbols_processed integer not null default 0,
  symbols_not_ready integer not null default 0,
  signals_generated integer not null default 0,
  candle_open_time timestamptz,
  candles integer not null default 0,
  snapshot_seq bigint not null default 0,
  data_age_ms bigint not null default 0,
  errors jsonb,
  created_at timestamptz not null default now(),
  primary key (id, started_at),
  unique (trader_id, started_at)
) partition by range (started_at);
comment on table public.cloud_execution_logs is 'One row per evaluation of a trader. A skipped tick writes none.';
comment on column public.cloud_execution_logs.execution_time is 'Milliseconds.';

-- Days live apart from the schema that the API serves: policies of a table do not guard its partitions when they are asked directly.
create schema if not exists partitions;

-- Runs with owner rights: only a table's owner may make and drop its partitions, and the workers' role calls this daily.
create or replace function public.keep_execution_log_days(days_ahead integer, days_kept integer)
returns table (made integer, dropped integer) language plpgsql security definer set search_path = '' as $$
declare
  today date := (now() at time zone 'UTC')::date;
  day date;
  part text;
begin
  if days_ahead not between 1 and 60 or days_kept not between 1 and 3650 then
    raise exception 'days_ahead must be 1 to 60 and days_kept 1 to 3650' using errcode = '22023';
  end if;
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('keep_execution_log_days', 0));
  made := 0;
  dropped := 0;
  for day in select d::date from pg_catalog.generate_series(today - 1, today + days_ahead, interval '1 day') as d loop
    made := made + private.make_execution_log_day(day)::integer;
  end loop;
  for part in
    select c.relname from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'public.cloud_execution_logs'::regclass and c.relname ~ '^cloud_execution_logs_\d{8}$'
      and pg_catalog.to_date(pg_catalog.right(c.relname, 8), 'YYYYMMDD') < today - days_kept
  loop
    execute pg_catalog.format('drop table partitions.%I', part);
    dropped := dropped + 1;
  end loop;
  delete from partitions.cloud_execution_logs_other where started_at < (today - days_kept)::timestamp at time zone 'UTC';
  return next;
end $$;

-- Rows that came before their day had a partition wait in cloud_execution_logs_other and move here.
create or replace function private.make_execution_log_day(day date) returns boolean language plpgsql set search_path = '' as $$
declare
  part text := 'cloud_execution_logs_' || pg_catalog.to_char(day, 'YYYYMMDD');
  first timestamptz := day::timestamp at time zone 'UTC';
  after timestamptz := (day + 1)::timestamp at time zone 'UTC';
begin
  if pg_catalog.to_regclass('partitions.' || part) is not null then
    return false;
  end if;
  execute pg_catalog.format('create table partitions.%I (like public.cloud_execution_logs including defaults including constraints)', part);
  execute pg_catalog.format('alter table partitions.%I enable row level security', part);
  execute pg_catalog.format(
    'with moved as (delete from partitions.cloud_execution_logs_other where started_at >= %L and started_at < %L returning *)
     insert into partitions.%I select * from moved', first, after, part);
  execute pg_catalog.format('alter table public.cloud_execution_logs attach partition partitions.%I for values from (%L) to (%L)', part, first, after);
  return true;
end $$;

create table if not exists partitions.cloud_execution_logs_other partition of public.cloud_execution_logs default;
alter table partitions.cloud_execution_logs_other enable row level security;
do $$ begin
  if not exists (select from pg_catalog.pg_inherits where inhparent = 'public.cloud_execution_logs'::regclass offset 1) then
    perform public.keep_execution_log_days(7, 30);
  end if;
end $$;

create table if not exists public.cloud_resource_usage (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  instance_id uuid not null references public.cloud_trader_instances (id) on delete cascade,
  period_start timestamptz not null,
  period_end timestamptz not null,
  cpu_seconds numeric not null default 0,
  memory_gb_hours numeric not null default 0,
  network_gb numeric not null default 0,
  cost_estimate numeric not null default 0,
  created_at timestamptz not null default now(),
  unique (instance_id, period_start),
  check (period_end > period_start)
);
comment on column public.cloud_resource_usage.cost_estimate is 'US dollars.';
create index if not exists cloud_resource_usage_by_user on public.cloud_resource_usage (user_id, period_start desc);

create table if not exists public.signal_analyses (
  id uuid primary key default gen_random_uuid(),
  signal_id uuid not null references public.signals (id) on delete cascade,
  user_id uuid references auth.users (id) on delete cascade,
  candle_open_time timestamptz not null,
  decision text not null check (decision in ('enter_trade', 'bad_setup', 'wait')),
  confidence integer not null check (confidence between 0 and 100),
  reasoning text not null default '',
  key_levels jsonb not null default '{}',
  trade_plan jsonb not null default '{}',
  technical_indicators jsonb not null default '{}',
  model_name text not null,
  tokens integer not null default 0,
  latency_ms bigint not null default 0,
  created_at timestamptz not null default now(),
  unique (signal_id, candle_open_time)
);

create table if not exists public.monitoring_decisions (
  id uuid primary key default gen_random_uuid(),
  signal_id uuid not null references public.signals (id) on delete cascade,
  user_id uuid references auth.users (id) on delete cascade,
  candle_open_time timestamptz not null,
  decision text not null check (decision in ('enter_trade', 'bad_setup', 'wait')),
  confidence integer not null check (confidence between 0 and 100),
  reasoning text not null default '',
  key_levels jsonb not null default '{}',
  trade_plan jsonb not null default '{}',
  technical_indicators jsonb not null default '{}',
  model_name text not null,
  tokens integer not null default 0,
  latency_ms bigint not null default 0,
  created_at timestamptz not null default now(),
  unique (signal_id, candle_open_time)
);
comment on column public.monitoring_decisions.decision is 'enter = enter_trade, continue = wait, abandon = bad_setup.';

create table if not exists public.trader_conditions (
  trader_id uuid not null references public.traders (id) on delete cascade,
  user_id uuid references auth.users (id) on delete cascade,
  stage text not null check (stage in ('universe', 'fresh', 'filter', 'new', 'limit', 'risk', 'order')),
  symbol text not null default '',
  code text not null,
  message text not null,
  since timestamptz not null,
  updated_at timestamptz not null default now(),
  primary key (trader_id, stage, symbol)
);
comment on table public.trader_conditions is 'What keeps a trader from signalling or trading now. A row disappears when its reason does.';

create table if not exists public.trader_errors (
  trader_id uuid not null references public.traders (id) on delete cascade,
  user_id uuid references auth.users (id) on delete cascade,
  hash text not null,
  trader_version integer not null,
  kind text not null,
  message text not null,
  line integer,
  symbol_sample text,
  count bigint not null default 1 check (count > 0),
  first_seen timestamptz not null,
  last_seen timestamptz not null,
  primary key (trader_id, hash)
);

create table if not exists public.notification_channels (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  kind text not null check (kind in ('email', 'telegram', 'webhook', 'push')),
  address text not null,
  enabled boolean not null default true,
  verified_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (user_id, kind, address)
);

create table if not exists public.notifications (
  id uuid primary key,
  user_id uuid not null references auth.users (id) on delete cascade,
  channel_id uuid references public.notification_channels (id) on delete set null,
  signal_id uuid references public.signals (id) on delete set null,
  kind text not null,
  title text not null,
  body text not null default '',
  status text not null default 'pending' check (status in ('pending', 'sent', 'failed')),
  attempts integer not null default 0,
  last_error text not null default '',
  created_at timestamptz not null default now(),
  sent_at timestamptz
);
create index if not exists notifications_by_user on public.notifications (user_id, created_at desc);

create table if not exists public.audit_log (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  user_id uuid,
  actor uuid,
  actor_role text not null,
  action text not null,
  subject text not null,
  subject_id text not null,
  details jsonb not null default '{}'
);
comment on column public.audit_log.user_id is 'Whose thing it was; actor is who did it.';
create index if not exists audit_log_by_user on public.audit_log (user_id, at desc);

-- Later tables refer to signals and traders by these too.
create index if not exists signal_analyses_by_user on public.signal_analyses (user_id);
create index if not exists monitoring_decisions_by_user on public.monitoring_decisions (user_id);

-- Failures of filters: counted once per evaluation, in the transaction that writes the evaluation; and what holds a trader's filter back now.

alter table public.trader_errors add column if not exists "interval" text;
alter table public.trader_errors add column if not exists symbols integer not null default 1;
comment on table public.trader_errors is 'Failures of a trader''s filter that are alike: one row for each version, kind, line and message.';
comment on column public.trader_errors.count is 'Evaluations that failed like this.';
comment on column public.trader_errors.symbols is 'How many symbols failed like this in one evaluation, at the most.';
comment on column public.trader_errors.symbol_sample is 'One of the symbols; null where it failed as a whole.';

alter table public.cloud_execution_logs add column if not exists symbols_failed integer not null default 0;
alter table public.cloud_execution_logs add column if not exists symbols_stale integer not null default 0;
comment on column public.cloud_execution_logs.errors is 'Null, or {message, failures: [{kind, message, line, symbol, symbols}]}.';

-- For the workers: writes evaluations once; those of deleted traders have no place and go. How many were new.
-- Only what a new evaluation says is counted or shown, so that a call may be repeated. A version of a trader keeps 50 groups of failures;
-- what is beyond them is counted in one group for each kind.
-- The argument is a JSON array as text, because some servers of this API hand a jsonb argument over as a string within JSON.
create or replace function public.append_evaluations(evaluations text) returns integer language sql set search_path = '' as $$
  with given as materialized (
    select distinct on (e.trader_id, e.started_at) e.*
    from jsonb_to_recordset(evaluations::jsonb) as e (
      instance_id uuid, trader_id uuid, trader_version integer, "interval" text, started_at timestamptz, execution_time bigint, outcome text,
      market text, symbols_processed integer, symbols_not_ready integer, symbols_stale integer, symbols_failed integer,
      signals_generated integer, candle_open_time timestamptz, candles integer, snapshot_seq bigint, data_age_ms bigint, errors jsonb,
      failures jsonb, condition jsonb)
    order by e.trader_id, e.started_at
  ),
  owners as materialized (
    select t.id as trader_id, t.user_id, t.cloud_status from public.traders t where t.id in (select g.trader_id from given g) order by t.id for key share
  ),
  written as (
    insert into public.cloud_execution_logs (instance_id, trader_id, trader_version, started_at, execution_time, outcome, market,
      symbols_processed, symbols_not_ready, symbols_stale, symbols_failed, signals_generated, candle_open_time, candles, snapshot_seq,
      data_age_ms, errors)
    select g.instance_id, g.trader_id, g.trader_version, g.started_at, g.execution_time, g.outcome, g.market,
      g.symbols_processed, g.symbols_not_ready, g.symbols_stale, g.symbols_failed, g.signals_generated, g.candle_open_time, g.candles,
      g.snapshot_seq, g.data_age_ms, g.errors
    from given g join owners using (trader_id)
    on conflict (trader_id, started_at) do nothing
    returning trader_id, started_at
  ),
  news as materialized (select g.*, o.user_id, o.cloud_status from written join given g using (trader_id, started_at) join owners o using (trader_id)),
  failed as (
    select n.trader_id, n.user_id, n.trader_version, n."interval", n.started_at, f.*
    from news n cross join lateral jsonb_to_recordset(n.failures) as f (
      hash text, kind text, message text, line integer, symbol text, symbols integer)
  ),
  unknown as (
    select u.trader_id, u.hash, row_number() over (partition by u.trader_id, u.trader_version order by u.first_seen, u.hash) + (
      select count(*) from public.trader_errors e where e.trader_id = u.trader_id and e.trader_version = u.trader_version) as place
    from (select trader_id, trader_version, hash, min(started_at) as first_seen from failed group by 1, 2, 3) u
    where not exists (select from public.trader_errors e where e.trader_id = u.trader_id and e.hash = u.hash)
  ),
  placed as (
    select f.*, coalesce(u.place, 0) > 50 as is_other from failed f left join unknown u using (trader_id, hash)
  ),
  grouped as (
    select p.trader_id, p.user_id, p.trader_version, p.kind,
      case when p.is_other then format('version %s, other %s', p.trader_version, p.kind) else p.hash end as hash,
      (array_agg(p."interval"))[1] as "interval",
      (array_agg(case when p.is_other then 'other failures' else p.message end order by p.started_at desc))[1] as message,
      (array_agg(case when not p.is_other then p.line end order by p.started_at desc))[1] as line,
      (array_agg(nullif(p.symbol, '') order by p.started_at desc))[1] as symbol_sample,
      max(p.symbols) as symbols, count(distinct p.started_at) as count, min(p.started_at) as first_seen, max(p.started_at) as last_seen
    from placed p group by 1, 2, 3, 4, 5
  ),
  counted as (
    insert into public.trader_errors as e (trader_id, user_id, hash, trader_version, "interval", kind, message, line, symbol_sample, symbols,
      count, first_seen, last_seen)
    select trader_id, user_id, hash, trader_version, "interval", kind, message, line, symbol_sample, symbols, count, first_seen, last_seen
    from grouped order by trader_id, hash
    on conflict (trader_id, hash) do update set
      message = excluded.message, symbol_sample = excluded.symbol_sample, symbols = greatest(e.symbols, excluded.symbols),
      count = e.count + excluded.count, first_seen = least(e.first_seen, excluded.first_seen), last_seen = greatest(e.last_seen, excluded.last_seen)
  ),
  newest as (
    select distinct on (n.trader_id) n.trader_id, n.user_id, n.started_at, n.condition, n.cloud_status from news n
    where n.outcome <> 'stale' order by n.trader_id, n.started_at desc
  ),
  cleared as (
    delete from public.trader_conditions c using newest n
    where c.trader_id = n.trader_id and c.stage = 'filter' and c.symbol = '' and c.since <= n.started_at and n.condition is null
  ),
  shown as (
    insert into public.trader_conditions as c (trader_id, user_id, stage, symbol, code, message, since)
    select n.trader_id, n.user_id, 'filter', '', n.condition ->> 'code', n.condition ->> 'message', n.started_at from newest n
    where n.condition is not null and n.cloud_status is distinct from 'stopped' and not exists (
      select from public.cloud_execution_logs l where l.trader_id = n.trader_id and l.started_at > n.started_at and l.outcome <> 'stale')
    order by n.trader_id
    on conflict (trader_id, stage, symbol) do update set
      code = excluded.code, message = excluded.message, since = case when c.code = excluded.code then c.since else excluded.since end
    where (c.code, c.message) is distinct from (excluded.code, excluded.message)
  )
  select count(*)::integer from written
$$;
revoke all on function public.append_evaluations(text) from public, anon, authenticated;
grant execute on function public.append_evaluations(text) to service_role;

-- As before; and a filter that the product stored as a string within JSON becomes an object when it is changed.
create or replace function public.configure_trader(trader uuid, filter_changes text, config_changes text) returns setof public.traders
language sql set search_path = '' as $$
  update public.traders set
    filter = case jsonb_typeof(filter) when 'string' then (filter #>> '{}')::jsonb else filter end || filter_changes::jsonb,
    cloud_config = cloud_config || config_changes::jsonb
  where id = trader returning *
$$;

-- What an existing product's database may look like: some of our columns under the same names, some of its own, some missing, one of
-- another type, old rows that break our rules, and policies of its own, one of them too generous.
create table public.user_profiles (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references auth.users (id) on delete cascade,
  email varchar(320),
  is_admin boolean not null default false,
  created_at timestamptz default now()
);
create table public.user_subscriptions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null unique references auth.users (id) on delete cascade,
  tier text not null default 'free' check (tier in ('anonymous', 'free', 'pro', 'elite')),
  status text not null default 'active',
  billing_customer text
);
create table public.traders (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references auth.users (id) on delete cascade,
  name text not null,
  description text,
  filter jsonb not null,
  strategy jsonb not null,
  enabled boolean default true,
  mode text default 'demo',
  exchange_config jsonb,
  metrics jsonb,
  is_built_in boolean default false,
  ownership_type text,
  "order" integer,
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
create table public.signals (
  id uuid primary key default gen_random_uuid(),
  trader_id uuid references public.traders (id) on delete cascade,
  user_id uuid references auth.users (id) on delete cascade,
  symbol varchar(20) not null,
  price_at_signal numeric,
  change_percent numeric,
  status text not null default 'new',
  "timestamp" timestamptz not null default now()
);
create table public.trades (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references auth.users (id) on delete cascade,
  signal_id uuid references public.signals (id),
  symbol text,
  pnl numeric
);
alter table public.traders enable row level security;
create policy "Users manage traders" on public.traders for all using (true) with check (true);

insert into auth.users (id, email) values ('11111111-1111-1111-1111-111111111111', 'old@example.com');
insert into public.user_subscriptions (user_id, tier) values ('11111111-1111-1111-1111-111111111111', 'pro');
insert into public.traders (id, user_id, name, filter, strategy, mode) values
  ('22222222-2222-2222-2222-222222222222', '11111111-1111-1111-1111-111111111111', 'Old', '{"code": "return true", "refreshInterval": "5m"}', '{}', 'paper'),
  ('33333333-3333-3333-3333-333333333333', null, 'Orphan', '{}', '{}', 'demo');
insert into public.signals (trader_id, symbol, status) values ('22222222-2222-2222-2222-222222222222', 'BTCUSDT', 'watching');

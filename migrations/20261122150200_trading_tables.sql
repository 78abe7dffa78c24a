-- Orders, fills, positions; what limits them; and the accounts they go to. Money and quantities are numeric, in and out as strings.

create table if not exists public.exchange_accounts (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  exchange text not null default 'binance' check (exchange in ('binance')),
  label text not null,
  testnet boolean not null default true,
  permissions jsonb,
  permissions_checked_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (user_id, label)
);

-- Apart from exchange_accounts, so that no select on an account can reach it. Its owner adds rows (rotation adds a version) and reads none.
create table if not exists public.exchange_credentials (
  account_id uuid not null references public.exchange_accounts (id) on delete cascade,
  version integer not null default 1 check (version > 0),
  algorithm text not null,
  key_id text not null,
  ciphertext text not null,
  created_at timestamptz not null default now(),
  primary key (account_id, version)
);
comment on table public.exchange_credentials is 'Encrypted before it comes here. Read by the execution workers only, newest version first.';

create table if not exists public.positions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  trader_id uuid references public.traders (id) on delete set null,
  signal_id uuid references public.signals (id) on delete set null,
  account_id uuid references public.exchange_accounts (id) on delete restrict,
  mode text not null check (mode in ('demo', 'live')),
  market text not null check (market in ('binance', 'simulated', 'replay')),
  symbol text not null,
  side text not null check (side in ('long', 'short')),
  status text not null check (status in ('opening', 'open', 'closing', 'closed', 'dust', 'unknown')),
  quantity numeric not null default 0,
  entry_price numeric,
  exit_price numeric,
  stop_price numeric,
  target_price numeric,
  realized_result numeric,
  fees numeric not null default 0,
  opened_at timestamptz,
  closed_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check (mode = 'demo' or account_id is not null)
);
create unique index if not exists positions_of_signal on public.positions (signal_id) where signal_id is not null;
create index if not exists positions_by_user on public.positions (user_id, created_at desc);

create table if not exists public.orders (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  account_id uuid references public.exchange_accounts (id) on delete restrict,
  trader_id uuid references public.traders (id) on delete set null,
  signal_id uuid references public.signals (id) on delete set null,
  position_id uuid references public.positions (id) on delete set null,
  client_order_id text not null,
  mode text not null check (mode in ('demo', 'live')),
  purpose text not null check (purpose in ('entry', 'stop', 'target', 'exit')),
  symbol text not null,
  side text not null check (side in ('buy', 'sell')),
  type text not null,
  quantity numeric not null check (quantity > 0),
  price numeric,
  stop_price numeric,
  state text not null default 'planned'
    check (state in ('planned', 'sending', 'unknown', 'open', 'partially_filled', 'filled', 'canceled', 'rejected', 'expired')),
  filled_quantity numeric not null default 0,
  filled_quote numeric not null default 0,
  exchange_order_id text,
  exchange_list_id text,
  last_error text not null default '',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check (mode = 'demo' or account_id is not null)
);
-- Demo orders have no account: their owner stands in for it.
create unique index if not exists orders_client_order_id on public.orders (coalesce(account_id, user_id), client_order_id);
create index if not exists orders_by_user on public.orders (user_id, created_at desc);
create index if not exists orders_by_position on public.orders (position_id);

create table if not exists public.fills (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  account_id uuid references public.exchange_accounts (id) on delete restrict,
  order_id uuid not null references public.orders (id) on delete cascade,
  symbol text not null,
  trade_id text not null,
  price numeric not null,
  quantity numeric not null check (quantity > 0),
  fee numeric not null default 0,
  fee_asset text not null default '',
  filled_at timestamptz not null,
  created_at timestamptz not null default now()
);
create unique index if not exists fills_trade_id on public.fills (coalesce(account_id, user_id), symbol, trade_id);
create index if not exists fills_by_order on public.fills (order_id);

create table if not exists public.risk_limits (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  trader_id uuid references public.traders (id) on delete cascade,
  max_position_quote numeric check (max_position_quote > 0),
  max_open_positions integer check (max_open_positions >= 0),
  max_daily_loss_quote numeric check (max_daily_loss_quote > 0),
  max_orders_per_day integer check (max_orders_per_day >= 0),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique nulls not distinct (user_id, trader_id)
);
comment on column public.risk_limits.trader_id is 'Null: for all traders of the user together.';

create table if not exists public.trading_fences (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references auth.users (id) on delete cascade,
  trader_id uuid references public.traders (id) on delete cascade,
  engaged boolean not null default true,
  reason text not null,
  engaged_by text not null default 'user' check (engaged_by in ('user', 'operator', 'system')),
  engaged_at timestamptz not null default now(),
  released_at timestamptz,
  unique nulls not distinct (user_id, trader_id, engaged_by),
  check (user_id is not null or engaged_by <> 'user')
);
comment on table public.trading_fences is 'While an engaged row covers a trader (its own, its user''s, or user_id null: everybody) no order is sent for it.';

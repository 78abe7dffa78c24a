-- Runs once, when the database is made: gives the roles that Auth and PostgREST sign in as the database's password.
\set password `echo "$POSTGRES_PASSWORD"`
alter role authenticator with password :'password';
alter role supabase_auth_admin with password :'password';
